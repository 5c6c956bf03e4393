"""Keeping what is in memory within its limit."""

import pytest

from pyramid_webhooks.delivery.holding import View
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.delivery.shortening import Shortener
from pyramid_webhooks.interfaces import ISettings
from pyramid_webhooks.resources.health import Health
from pyramid_webhooks.resources.message import Message
from tests.delivery.test_intake import Reading

FAR = 1e11


class Waiting(Reading):
    """What waits together, and what a transaction of the engine sees of it."""

    def view(self, session):
        """What a transaction of the engine sees."""
        settings = self.company.registry.getUtility(ISettings)
        recipients = Recipients(self.company.registry, settings, session.connection)
        return View(session.outboxes, recipients)

    def count(self):
        """How many deliveries wait, as the queues have counted."""
        with self.database.session() as session:
            queues = [q for each in session.primary.schedules for _, q in each.queues()]
            return sum(queue.count for queue in queues)


@pytest.fixture
def reading(make_company, receiver):
    """60 deliveries that were put away together for a receiver that failed."""
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    reading = Waiting(company)
    company.add('/NWS/OUN', 'first')
    ((job,), _, _) = reading.read()
    reading.holding.forget(reading.holding.unsent(job.recipient))
    reading.lanes.know(job.recipient, Health(strikes=5, probe_at=FAR))
    company.add('/NWS/OUN', *[f'e{number}' for number in range(59)])
    reading.reader.forget_everything_seen()
    reading.read()
    reading.read()
    assert len(reading.waiting()) == 60
    return reading


class Scale:
    """Says that everything together is a little too much, and that each message has 100 bytes."""

    limit = 40_000

    def size(self):
        return self.limit + 1

    def weigh(self, obj):
        return 100 if isinstance(obj, Message) else self.limit + 1


def test_what_there_is_no_room_for_is_dropped_visibly_and_the_rest_waits_on(reading):
    """It is as little as has to be, although all of it was put away as one."""
    with reading.database.session() as session:
        view = reading.view(session)
        Shortener(Scale(), reading.holding).shorten(view)
        session.commit('shortened')
    dropped = len(view.dropped)
    assert dropped == 51
    assert len(reading.waiting()) == 60 - dropped == reading.count()
