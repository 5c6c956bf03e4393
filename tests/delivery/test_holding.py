"""What is in memory: what was not sent is prepared again."""

import pytest

from pyramid_webhooks.delivery.holding import PREPARE_LIMIT
from pyramid_webhooks.resources.health import Health
from tests.delivery.test_shortening import Waiting


class Preparing(Waiting):
    """The engine's side of lanes of which this test is the sender."""

    def prepare(self):
        """Prepare what can be, for the senders; how many that are."""
        with self.database.session() as session:
            ready, returned = self.holding.prepare(self.view(session))
        assert returned == []
        self.lanes.offer(ready)
        return len(ready)

    def take(self, count):
        """Take jobs to send."""
        return [self.lanes.take(0) for _ in range(count)]

    def collect(self):
        """Take back what was not sent."""
        for job in self.lanes.results():
            assert job.outcome is None
            self.lanes.recorded(1)
            self.holding.put_back([job])


@pytest.fixture
def preparing(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann', 'ben', 'cid', 'dan', 'eve')
    preparing = Preparing(company)
    preparing.jobs, _, _ = preparing.read()
    return preparing


@pytest.mark.parametrize('between', [0, 1])
def test_what_was_not_sent_is_prepared_again(preparing, between):
    """Be it that others were prepared since, or not."""
    preparing.prepare()
    first = preparing.lanes.take(0)
    preparing.lanes.finish(first)
    for _ in range(between):
        preparing.prepare()
    preparing.collect()
    preparing.prepare()
    assert preparing.lanes.take(0) is first is preparing.jobs[0]


@pytest.mark.parametrize('order', [(0, 1, 2), (2, 1, 0)])
def test_what_was_not_sent_comes_before_what_came_after_it(preparing, order):
    """In whichever order the senders notice that they may not send."""
    preparing.lanes.know(preparing.jobs[0].recipient, Health(successes=10))
    preparing.prepare()
    taken = preparing.take(3)
    for each in order:
        preparing.lanes.finish(taken[each])
    preparing.collect()
    preparing.prepare()
    assert preparing.take(5) == preparing.jobs


def test_of_many_lanes_all_are_prepared_although_it_takes_more_than_one_transaction(preparing):
    """Nothing of those that have to wait moves, which would be another reason to look at them."""
    company = preparing.company
    for _ in range(PREPARE_LIMIT):
        company.subscribe('/', 'http://127.0.0.1:1/')
    company.add('/NWS/OUN', 'fay', 'gil')
    preparing.read()
    prepared = []
    while preparing.holding.more:
        prepared.append(preparing.prepare())
    assert sum(prepared) == 2 * (PREPARE_LIMIT + 1)
    # Those that work do not wait long for those of which nobody knows.
    assert max(prepared) <= PREPARE_LIMIT // 4


def test_those_that_work_are_all_prepared_together(preparing):
    company = preparing.company
    for _ in range(PREPARE_LIMIT // 2):
        company.subscribe('/', 'http://127.0.0.1:1/')
    company.add('/NWS/OUN', 'fay')
    preparing.read()
    for recipient in list(preparing.holding._waiting):
        preparing.lanes.know(recipient, Health(successes=10))
    assert preparing.prepare() == 5 + PREPARE_LIMIT // 2 + 1
