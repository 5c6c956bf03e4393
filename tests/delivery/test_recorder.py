"""What is recorded of each result, and what follows from it."""

import pytest

from pyramid_webhooks.delivery.exchange import Outcome
from pyramid_webhooks.delivery.jobs import LAST_TRY, Job, Outgoing, Prepared, Sent
from pyramid_webhooks.delivery.preparing import Recipients
from pyramid_webhooks.delivery.probing import Probing
from pyramid_webhooks.delivery.recorder import Recorder, partitions_of
from pyramid_webhooks.interfaces import ISettings
from pyramid_webhooks.outbox.root import outbox_of, partition_of

NOW = 1000.0
GOOD = Outcome(status=200, reason='OK', message='200 OK', content=b'fine', elapsed=0.5)
BAD = Outcome(status=503, message='503 Service Unavailable', headers=(('Retry-After', '1'),))
NEVER = Outcome(status=None, message='It can not be sent.', permanent=True)


class Policy:
    """Waits ten seconds for each attempt that was made, three times."""

    def __init__(self):
        self.asked = []

    def next_delay(self, attempts_made, status, headers):
        self.asked.append((attempts_made, status, tuple(headers)))
        return 10.0 * attempts_made if attempts_made < 4 else None


class Recording:
    """A transaction in which results are recorded of what one subscription is owed."""

    def __init__(self, company, root):
        self.root = root
        self.connection = root._p_jar
        self.outbox = outbox_of(self.connection)
        settings = company.registry.getUtility(ISettings)
        self.policy = Policy()
        self.recorder = Recorder(settings, self.policy, Probing(settings.retry_schedule))
        self.recipients = Recipients(company.registry, settings, self.connection)
        (self.subscription,) = company_manager(root).values()
        self.recipient = ('', self.subscription._p_oid)
        self.outboxes = {self.connection.db().database_name: self.outbox}

    def job_of(self, segment, key, entry, outcome, tries=0, number=1):
        job = Job(
            self.connection.db().database_name,
            (self.connection.db().database_name, self.subscription._p_oid),
            entry.message._p_oid,
            segment=segment._p_oid,
            entry=key,
            number=number,
            tries=tries,
            created=NOW - 5,
            due=NOW - 5,
        )
        outgoing = Outgoing(entry.message.id, 'a.b', NOW, self.subscription.to, 'sub', b'{}')
        job.prepared = Prepared(outgoing, '', {}, ())
        job.sent = Sent('POST', self.subscription.to, (('X', '1'),), None)
        job.outcome, job.resolved_at = outcome, NOW
        return job

    def jobs(self, *outcomes, **keywords):
        entries = [
            (segment, key, entry)
            for segment in self.outbox.intake.all_segments()
            for key, entry in segment.items()
        ]
        pairs = zip(entries, outcomes, strict=False)
        return [self.job_of(*entry, outcome, **keywords) for entry, outcome in pairs]

    def record(self, jobs):
        return self.recorder.record(jobs, self.outboxes, self.recipients)

    def owed(self):
        return sum(len(segment) for segment in self.outbox.intake.all_segments())

    def waiting(self):
        queue = self.outbox.schedule_of(self.job_recipient()).queue(self.job_recipient())
        return [] if queue is None else list(queue.items())

    def job_recipient(self):
        return (self.connection.db().database_name, self.subscription._p_oid)


def company_manager(root):
    return root.__webhooks__


@pytest.fixture
def recording(make_company, receiver):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann', 'ben', 'cid')
    return lambda action: company.transact(lambda root: action(Recording(company, root)))


def test_a_success_is_logged_and_no_longer_owed(recording):
    def do(it):
        (recorded,) = it.record(it.jobs(GOOD))
        (record,) = it.subscription.log
        assert recorded.record.succeeded and not recorded.exhausted
        assert (record.text, record.number, record.resolved_at) == ('200 OK', 1, NOW)
        assert it.owed() == 2 and it.waiting() == []
        assert it.policy.asked == []
        assert (it.subscription.log.succeeded, it.subscription.log.failed) == (1, 0)

    recording(do)


def test_a_failure_is_logged_and_waits_for_its_next_attempt(recording):
    def do(it):
        it.record(it.jobs(BAD))
        assert it.policy.asked == [(1, 503, (('Retry-After', '1'),))]
        ((due, _), item) = it.waiting()[0]
        assert (due, item.number, item.tries) == (NOW + 10, 2, 1)
        assert it.owed() == 2
        assert it.subscription.log.failures_in_row == 1

    recording(do)


def test_the_number_goes_on_and_the_tries_count_this_schedule(recording):
    def do(it):
        it.record(it.jobs(BAD, number=7, tries=2))
        ((due, _), item) = it.waiting()[0]
        assert (due, item.number, item.tries) == (NOW + 30, 8, 3)

    recording(do)


@pytest.mark.parametrize(
    'outcome, tries', [(BAD, 3), (NEVER, 0), (BAD, LAST_TRY)], ids=['schedule', 'never', 'last']
)
def test_what_is_given_up_is_kept_for_recovery(recording, outcome, tries):
    def do(it):
        (recorded,) = it.record(it.jobs(outcome, tries=tries))
        assert recorded.exhausted
        assert it.waiting() == []
        ((_, error, at, *_),) = it.subscription.log.exhausted
        assert (error, at) == (outcome.message, NOW)

    recording(do)


def test_many_results_are_recorded_at_once_in_the_order_in_which_they_came(recording):
    def do(it):
        jobs = it.jobs(GOOD, BAD, GOOD)
        for late, job in enumerate(jobs):
            job.resolved_at += late
        it.record(jobs)
        times = [each.resolved_at for each in it.subscription.log]
        assert times == [NOW, NOW + 1, NOW + 2]
        assert it.owed() == 0 and len(it.waiting()) == 1

    recording(do)


def test_a_retry_that_is_recorded_leaves_the_schedule(recording):
    def do(it):
        (job,) = it.jobs(BAD)[:1]
        it.record([job])
        ((key, item),) = it.waiting()
        again = Job(
            job.home, job.recipient, job.message, queue_key=key, number=2, tries=1,
            created=NOW, due=key[0],
        )  # fmt: skip
        again.prepared, again.sent = job.prepared, job.sent
        again.outcome, again.resolved_at = GOOD, NOW + 20
        it.record([again])
        assert it.waiting() == []
        assert [each.number for each in it.subscription.log] == [1, 2]

    recording(do)


def test_the_results_of_a_removed_subscription_are_not_kept(recording):
    def do(it):
        jobs = it.jobs(GOOD, BAD)
        it.subscription.removed = True
        assert it.record(jobs) == []
        assert it.owed() == 1 and it.waiting() == []

    recording(do)


def test_a_retry_for_one_that_was_deactivated_is_held(recording):
    def do(it):
        jobs = it.jobs(BAD)
        company_manager(it.root).deactivate(it.subscription)
        it.record(jobs)
        assert len(it.waiting()) == 1
        assert it.outbox.schedule_of(it.job_recipient()).queue(it.job_recipient()).held
        assert partitions_of(jobs) == {partition_of(it.job_recipient())}

    recording(do)
