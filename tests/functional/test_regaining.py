"""What becomes of a request that is under way while its partition is lost, and comes back."""

import threading

from pyramid_webhooks.outbox.root import outbox_of
from tests.company import wait_until


class Gate:
    """A receiver that fails, until its next request shall wait; that one, and others, succeed."""

    def __init__(self):
        self.shut = False
        self.waiting = False
        self.opened = threading.Event()

    def __call__(self, request):
        if not self.shut:
            return 500
        self.waiting = True
        self.opened.wait(20)
        return 200


def lose_everything(root):
    """Do what another process does that takes everything over, and ends at once."""
    for partition in outbox_of(root._p_jar).partitions:
        partition.give(None)


def everything_is_put_away(root):
    return not any(map(len, outbox_of(root._p_jar).intake.all_segments()))


def has_everything(company):
    def look(root):
        return all(partition.owner for partition in outbox_of(root._p_jar).partitions)

    return company.transact(look)


def test_a_probe_that_counts_for_nobody_is_made_again(make_company, receiver):
    company = make_company(settings={'webhooks.retry_schedule': ' '.join(['200ms'] * 100)})
    gate = Gate()
    receiver.answer(gate)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *[f'e{number}' for number in range(20)])
    wait_until(lambda: company.at('/', lambda m: m[id].log.health.is_open))
    wait_until(lambda: company.transact(everything_is_put_away))
    gate.shut = True
    wait_until(lambda: gate.waiting)
    company.transact(lose_everything)
    wait_until(lambda: has_everything(company))
    gate.opened.set()
    wait_until(lambda: company.at('/', lambda m: m[id].log.succeeded) == 20)
