"""What becomes of a request that is under way while its partition is lost, and comes back."""

import threading

import pytest

from pyramid_webhooks import manager_of
from pyramid_webhooks.outbox.owed import recipient_key
from pyramid_webhooks.outbox.ownership import Member
from pyramid_webhooks.outbox.root import PARTITIONS, outbox_of, partition_of
from tests.company import messages, wait_until


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


class Other(Member):
    """Somebody else who sends, in theory."""

    def take_over(self, root):
        outbox = outbox_of(root._p_jar)
        self.beat(outbox)
        for partition in outbox.partitions:
            partition.give(self.id)

    def give_back(self, root):
        self.release(outbox_of(root._p_jar))


@pytest.fixture
def other():
    other = Other(15)
    yield other
    other.end()


def wait_until_it_is_noticed(caplog):
    wait_until(lambda: 'were taken over by another process' in messages(caplog))


def test_a_success_that_was_recorded_is_not_followed_by_another_request(make_company, receiver):
    """What was under way when everything was lost is read anew, and waits for its turn."""
    company = make_company(settings={'webhooks.concurrency_per_subscription': '1'})
    gate, recorded = Gate(), []

    def succeeded():
        return company.at('/', lambda m: m[id].log.succeeded)

    def answer(request):
        recorded.append(succeeded())
        return gate(request)

    id = company.subscribe('/', receiver.url)
    gate.shut = True
    receiver.answer(answer)
    company.add('/NWS/OUN', 'ann')
    wait_until(lambda: gate.waiting)
    company.transact(lose_everything)
    wait_until(lambda: has_everything(company))
    gate.opened.set()
    wait_until(lambda: succeeded() == 1 and len(recorded) == 2)
    assert recorded == [0, 0]


def test_a_partition_is_not_given_back_while_anything_of_it_is_under_way(
    make_company, receiver, other
):
    company = make_company(settings={'webhooks.concurrency': '64'})
    gate = Gate()
    gate.shut = True
    receiver.answer(gate)
    for _ in range(24):
        company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    receiver.wait_for(24)

    def owners(root):
        recipients = map(recipient_key, manager_of(root).values())
        partitions = outbox_of(root._p_jar).partitions
        busy = {partitions[partition_of(each)].owner for each in recipients}
        return busy, [each.owner for each in partitions]

    (one,) = set(company.transact(owners)[1])
    company.transact(lambda root: other.beat(outbox_of(root._p_jar)))
    wait_until(lambda: None in company.transact(owners)[1])
    assert company.transact(owners)[0] == {one}
    gate.opened.set()
    wait_until(lambda: company.transact(owners)[1].count(None) == PARTITIONS // 2)


def test_a_result_is_not_recorded_by_whom_the_partition_does_not_belong_to_any_more(
    company, receiver, other, caplog
):
    """It is taken over while the request is answered, too late to be noticed before."""

    def answer(request):
        if len(receiver.requests) == 1:
            company.transact(other.take_over)

    receiver.answer(answer)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    wait_until_it_is_noticed(caplog)
    assert company.attempts('/', id)[0][0] == 'pending'
    company.transact(other.give_back)
    wait_until(lambda: company.attempts('/', id)[0][0] == 'successful')
    assert len(receiver.requests) == 2


def test_a_command_is_left_to_whom_the_partition_belongs_to(company, receiver, other, caplog):
    id = company.subscribe('/', receiver.url)
    company.settle()

    def deactivate(root):
        manager = manager_of(root)
        manager.deactivate(manager[id])
        other.take_over(root)

    company.transact(deactivate)
    wait_until_it_is_noticed(caplog)
    assert not company.transact(everything_is_put_away)
    company.transact(other.give_back)
    wait_until(lambda: company.transact(everything_is_put_away))
