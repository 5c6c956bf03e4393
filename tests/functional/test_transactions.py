"""What was committed is delivered once, and what was not is not: with pyramid_tm and without."""

import pytest
import transaction
from pyramid.response import Response
from transaction.interfaces import DoomedTransaction
from ZODB.POSException import ConflictError

from pyramid_webhooks import manager_of
from pyramid_webhooks.interfaces import IDeliveryEngine
from pyramid_webhooks.outbox.intake import Intake
from pyramid_webhooks.outbox.segment import Segment
from tests.company import Deliberate, add, modify, names_of


@pytest.fixture(params=['explicit', 'implicit'])
def company(request, make_company, receiver):
    """A company with a subscription to everything."""
    company = make_company(manager=request.param)
    company.subscribe('/', receiver.url, events=['*'])
    return company


def names(company, receiver):
    """Whom the deliveries are about, after a committed one that shows that all is through."""
    company.add('/NWS/OUN', 'last')
    company.settle()
    found = names_of(receiver)
    assert found.count('last') == 1
    assert len(company.attempts('/')) == len(found)
    assert company.at('/', lambda manager: owed_anywhere(manager._p_jar)) == 0
    return [name for name in found if name != 'last']


def owed_anywhere(connection):
    outbox = connection.root()['pyramid_webhooks.outbox']
    return sum(len(segment) for segment in outbox.intake.all_segments())


def test_a_committed_event_is_delivered_exactly_once(company, receiver):
    company.add('/NWS/OUN', 'ann')
    assert names(company, receiver) == ['ann']


def test_an_aborted_transaction_owes_nothing(company, receiver):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        raise Deliberate

    company.request(do, '/NWS/OUN', status=500)
    assert names(company, receiver) == []


def test_an_abort_and_a_new_transaction_in_one_request(company, receiver):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        request.tm.abort()
        request.tm.begin()
        add(context, 'ben', request.registry.notify)

    company.request(do, '/NWS/OUN')
    assert names(company, receiver) == ['ben']


def test_a_doomed_transaction_owes_nothing(company, receiver):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        request.tm.doom()

    company.request(do, '/NWS/OUN')
    assert names(company, receiver) == []


@pytest.mark.parametrize('status', [400, 404, 500, 503])
def test_a_vetoed_transaction_owes_nothing(company, receiver, status):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        return Response(status=status)

    company.request(do, '/NWS/OUN', status=status)
    assert names(company, receiver) == []


def test_a_redirect_is_no_veto(company, receiver):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        return Response(status=303, location='/')

    company.request(do, '/NWS/OUN', status=303)
    assert names(company, receiver) == ['ann']


def test_rolling_back_to_a_savepoint_after_the_first_event_keeps_that_one(company, receiver):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        savepoint = request.tm.savepoint()
        add(context, 'ben', request.registry.notify)
        savepoint.rollback()

    company.request(do, '/NWS/OUN')
    assert names(company, receiver) == ['ann']


def test_rolling_back_to_a_savepoint_before_the_first_event_owes_nothing(company, receiver):
    def do(context, request):
        savepoint = request.tm.savepoint()
        add(context, 'ann', request.registry.notify)
        savepoint.rollback()

    company.request(do, '/NWS/OUN')
    assert names(company, receiver) == []


def test_nobody_is_told_of_a_segment_that_was_rolled_back(company, receiver, monkeypatch):
    """The engine would not find it, and pause."""
    company.add('/NWS/OUN', 'ann')
    company.settle()
    told = []
    engine = company.registry.getUtility(IDeliveryEngine)
    monkeypatch.setattr(engine, 'wake', lambda hints=(), messages=(): told.append(list(hints)))

    def do(context, request):
        savepoint = request.tm.savepoint()
        (subscription,) = manager_of(context).values()
        (attempt,) = subscription.attempts.values()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Segment, 'has_room', lambda *args, **limits: False)
            attempt.retry()
        savepoint.rollback()
        add(context['NWS']['OUN'], 'ben', request.registry.notify)

    company.request(do, '/')
    monkeypatch.undo()
    assert [] in told
    known = company.transact(segments_of)
    assert {oid for hints in told for _, oid in hints} <= known
    assert names(company, receiver) == ['ann', 'ben']


def segments_of(root):
    outbox = root._p_jar.root()['pyramid_webhooks.outbox']
    return {segment._p_oid for segment in outbox.intake.all_segments()}


def test_an_event_after_such_a_rollback_is_delivered(company, receiver):
    def do(context, request):
        savepoint = request.tm.savepoint()
        add(context, 'ann', request.registry.notify)
        savepoint.rollback()
        add(context, 'ben', request.registry.notify)
        savepoint.rollback()
        add(context, 'cid', request.registry.notify)

    company.request(do, '/NWS/OUN')
    assert names(company, receiver) == ['cid']


def test_nested_savepoints_roll_back_one_by_one(company, receiver):
    def do(context, request):
        add(context, 'a', request.registry.notify)
        outer = request.tm.savepoint()
        add(context, 'b', request.registry.notify)
        inner = request.tm.savepoint()
        add(context, 'c', request.registry.notify)
        inner.rollback()
        add(context, 'd', request.registry.notify)
        innermost = request.tm.savepoint()
        add(context, 'e', request.registry.notify)
        innermost.rollback()
        inner.rollback()
        add(context, 'f', request.registry.notify)
        outer.rollback()
        add(context, 'g', request.registry.notify)

    company.request(do, '/NWS/OUN')
    assert sorted(names(company, receiver)) == ['a', 'g']


def test_an_event_fired_again_after_its_rollback_counts(company, receiver):
    def do(context, request):
        fired = []

        def notify(event):
            fired.append(event)
            request.registry.notify(event)

        add(context, 'ann', notify)
        modify(context['ann'], request.registry.notify, age=31)
        savepoint = request.tm.savepoint()
        ben = add(context, 'ben', notify)
        savepoint.rollback()
        context['ben'] = ben
        request.registry.notify(fired[1])

    company.request(do, '/NWS/OUN')
    assert sorted(names(company, receiver)) == ['ann', 'ann', 'ben']


def test_a_conflict_that_is_tried_again_is_delivered_once(company, receiver):
    tries = []

    def do(context, request):
        tries.append(request)
        add(context, 'ann', request.registry.notify)
        if len(tries) < 3:
            raise ConflictError('deliberately')

    company.request(do, '/NWS/OUN')
    assert len(tries) == 3
    assert names(company, receiver) == ['ann']


def test_a_real_conflict_while_committing_is_delivered_once(company, receiver):
    tries = []

    def do(context, request):
        tries.append(request)
        add(context, f'ann{len(tries)}', request.registry.notify)
        if len(tries) == 1:
            company.transact(
                lambda root: add(root['NWS']['OUN'], 'zoe', lambda event: None) and None
            )

    company.request(do, '/NWS/OUN')
    assert len(tries) == 2
    assert names(company, receiver) == ['ann2']


def test_a_conflict_that_never_ends_owes_nothing(company, receiver):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        raise ConflictError('deliberately')

    with pytest.raises(ConflictError):
        company.request(do, '/NWS/OUN')
    assert names(company, receiver) == []


def test_events_of_a_before_commit_hook_are_delivered(company, receiver):
    def do(context, request):
        def late(name):
            add(context, name, request.registry.notify)

        request.tm.get().addBeforeCommitHook(late, ['before'])
        add(context, 'ann', request.registry.notify)
        request.tm.get().addBeforeCommitHook(late, ['after'])

    company.request(do, '/NWS/OUN')
    assert sorted(names(company, receiver)) == ['after', 'ann', 'before']


def test_the_state_is_that_after_all_before_commit_hooks(company, receiver):
    def do(context, request):
        ann = add(context, 'ann', request.registry.notify)
        request.tm.get().addBeforeCommitHook(setattr, [ann, 'age', 77])

    company.request(do, '/NWS/OUN')
    assert names(company, receiver) == ['ann']
    assert receiver.requests[0].json()['age'] == 77


def test_hooks_that_both_want_to_be_last_do_not_keep_a_commit_from_ending(company, receiver):
    def do(context, request):
        transaction = request.tm.get()
        runs = []

        def last():
            runs.append(1)
            hooks = [hook for hook, _, _ in transaction.getBeforeCommitHooks()]
            if hooks[-1] is not last and len(runs) < 10_000:
                transaction.addBeforeCommitHook(last)

        transaction.addBeforeCommitHook(last)
        add(context, 'ann', request.registry.notify)
        transaction.addBeforeCommitHook(last)
        transaction.addBeforeCommitHook(lambda: None)
        request.add_finished_callback(lambda request: company.__dict__.update(runs=len(runs)))

    company.request(do, '/NWS/OUN')
    assert company.runs < 1000
    assert names(company, receiver) == ['ann']


def test_a_second_commit_after_a_failed_hook_still_owes_it(company, receiver):
    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    office = connection.root()['company']['NWS']['OUN']

    def fail():
        raise Deliberate

    manager.get().addBeforeCommitHook(fail)
    add(office, 'ann', company.registry.notify)
    with pytest.raises(Deliberate):
        manager.commit()
    manager.commit()
    connection.close()
    assert names(company, receiver) == ['ann']


def test_what_can_not_be_owed_can_not_be_committed_either_not_even_at_a_second_try(
    company, receiver, monkeypatch
):
    def fail(intake, entry):
        raise OSError('No space left on device')

    manager = transaction.TransactionManager()
    connection = company.database.open(manager)
    office = connection.root()['company']['NWS']['OUN']
    add(office, 'ann', company.registry.notify)
    with monkeypatch.context() as broken:
        broken.setattr(Intake, 'append', fail)
        with pytest.raises(OSError, match='No space left'):
            manager.commit()
    with pytest.raises(DoomedTransaction):
        manager.commit()
    manager.abort()
    assert 'ann' not in office
    manager.abort()
    connection.close()
    assert names(company, receiver) == []


def test_a_script_with_a_transaction_of_its_own_is_delivered(company, receiver):
    company.transact(lambda root: add(root['NWS']['OUN'], 'ann', company.registry.notify) and None)
    assert names(company, receiver) == ['ann']


def test_a_transaction_within_a_request_is_separate(company, receiver):
    def do(context, request):
        add(context, 'ann', request.registry.notify)
        company.transact(
            lambda root: add(root['NWS']['NCA'], 'ben', request.registry.notify) and None
        )
        return Response(status=500)

    company.request(do, '/NWS/OUN', status=500)
    assert names(company, receiver) == ['ben']


def test_an_event_on_a_connection_without_a_transaction_is_logged_and_owed_to_nobody(
    company, receiver, caplog
):
    manager = transaction.TransactionManager(explicit=True)
    with manager:
        connection = company.database.open(manager)
        ann = add(connection.root()['company']['NWS']['OUN'], 'ann', lambda event: None)
    modify(ann, company.registry.notify)
    assert 'in no transaction' in caplog.text
    with manager:
        connection.close()
    assert names(company, receiver) == []
