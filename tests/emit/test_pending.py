"""What a transaction will owe: coalescing, and being written in it."""

import pytest
import transaction
from persistent import Persistent
from transaction.interfaces import ISavepointDataManager
from zope.interface.verify import verifyObject
from zope.lifecycleevent import ObjectAddedEvent, ObjectModifiedEvent, ObjectRemovedEvent

from pyramid_webhooks.emit.pending import Occurrence, PendingEvents, coalesce


class Thing(Persistent):
    """A thing."""

    __parent__ = __name__ = None


def occurrence(obj, event=ObjectModifiedEvent, to=('a',), refused=(), **keywords):
    keywords = {'coalescible': True, 'refused': list(refused), **keywords}
    recipients = [(RECIPIENTS[each], '') for each in to]
    name = event.__name__
    return Occurrence(name, obj, event(obj), None, recipients, 0.0, **keywords)


RECIPIENTS = {name: Thing() for name in 'abc'}


def names(occurrences):
    known = {id(thing): name for name, thing in RECIPIENTS.items()}
    return [
        (each.name, ''.join(sorted(known[id(recipient)] for recipient, _ in each.recipients)))
        for each in occurrences
    ]


@pytest.fixture
def pending():
    """A transaction, what is pending in it, and what was written."""
    manager = transaction.TransactionManager(explicit=True)
    txn = manager.begin()
    written, committed = [], []

    def write(occurrences):
        written.append(occurrences)
        return [len(occurrences)]

    made = PendingEvents(txn, write, committed.append)
    made.manager, made.txn, made.written, made.committed = manager, txn, written, committed
    return made


def test_it_is_a_data_manager_with_savepoints(pending):
    assert verifyObject(ISavepointDataManager, pending)


def test_it_writes_once_before_the_commit_and_tells_after_it(pending):
    thing = Thing()
    pending.add(occurrence(thing))
    pending.add(occurrence(thing))
    assert pending.written == []
    pending.manager.commit()
    assert [len(each) for each in pending.written] == [1]
    assert pending.committed == [[1]]


def test_after_an_abort_nothing_is_written_or_told(pending):
    pending.add(occurrence(Thing()))
    pending.manager.abort()
    assert pending.written == pending.committed == []


def test_an_event_is_new_once(pending):
    event = ObjectModifiedEvent(Thing())
    assert pending.is_new(event) is True
    assert pending.is_new(event) is False
    assert pending.is_new(ObjectModifiedEvent(event.object)) is True


def test_where_the_outbox_can_not_be_written_the_commit_fails_now_and_later(pending):
    def fail(occurrences):
        raise OSError('disk full')

    pending._write = fail
    pending.add(occurrence(Thing()))
    with pytest.raises(OSError, match='disk full'):
        pending.manager.commit()
    with pytest.raises(transaction.interfaces.DoomedTransaction):
        pending.manager.commit()
    pending.manager.abort()
    assert pending.committed == []


def test_events_that_lead_to_events_without_end_are_stopped(pending, caplog):
    def write(occurrences):
        pending.written.append(occurrences)
        pending.add(occurrence(Thing()))
        return []

    pending._write = write
    pending.add(occurrence(Thing()))
    pending.manager.commit()
    assert len(pending.written) < 100
    assert 'without end' in caplog.text


def test_two_of_them_in_one_transaction_both_write(pending):
    """As with two applications that share a transaction: both want to be the last hook."""
    written = []
    other = PendingEvents(
        pending.txn, lambda found: written.append(found) or [], lambda hints: None
    )
    pending.add(occurrence(Thing()))
    other.add(occurrence(Thing()))
    pending.manager.commit()
    assert len(written) == len(pending.written) == 1


def test_the_last_of_a_type_on_an_object_is_kept_in_its_place():
    one, other = Thing(), Thing()
    kept = coalesce([occurrence(one), occurrence(other, to='b'), occurrence(one, to='a')])
    assert names(kept) == [('ObjectModifiedEvent', 'b'), ('ObjectModifiedEvent', 'a')]


def test_whoever_was_not_judged_anew_keeps_what_it_was_owed():
    thing = Thing()
    kept = coalesce(
        [
            occurrence(thing, to='ab'),
            occurrence(thing, to='c', refused=[RECIPIENTS['b']]),
        ]
    )
    assert names(kept) == [('ObjectModifiedEvent', 'ac')]


def test_when_nobody_is_left_nothing_is_kept():
    thing = Thing()
    refusal = occurrence(thing, to='', refused=[RECIPIENTS['a']])
    assert coalesce([occurrence(thing, to='a'), refusal]) == []


def test_payloads_that_were_made_already_stay_with_their_recipients():
    thing = Thing()
    thing._p_serial = b'\1' * 8
    first = occurrence(thing, ObjectRemovedEvent, to='a', rendered=({'': b'1'}, {}))
    second = occurrence(thing, ObjectRemovedEvent, to='b', rendered=({'': b'2'}, {}))
    kept = coalesce([first, second])
    assert sorted((each.rendered[0][''], each.recipients) for each in kept) == [
        (b'1', [(RECIPIENTS['a'], '')]),
        (b'2', [(RECIPIENTS['b'], '')]),
    ]


def test_what_is_not_coalescible_is_kept_as_it_is():
    thing = Thing()
    kept = coalesce([occurrence(thing, coalescible=False) for _ in range(3)])
    assert len(kept) == 3


def test_a_new_object_that_was_removed_leaves_nothing():
    thing, other = Thing(), Thing()
    kept = coalesce(
        [
            occurrence(thing, ObjectAddedEvent),
            occurrence(other, ObjectAddedEvent, to='b'),
            occurrence(thing, ObjectModifiedEvent),
            occurrence(thing, ObjectRemovedEvent, rendered=({}, {})),
        ]
    )
    assert names(kept) == [('ObjectAddedEvent', 'b')]


def test_an_object_that_is_not_persistent_is_new_when_it_was_added_here():
    class Plain:
        __parent__ = __name__ = None

    added, known = Plain(), Plain()
    kept = coalesce(
        [
            occurrence(added, ObjectAddedEvent),
            occurrence(added, ObjectRemovedEvent, rendered=({}, {})),
            occurrence(known, ObjectRemovedEvent, to='b', rendered=({}, {})),
        ]
    )
    assert names(kept) == [('ObjectRemovedEvent', 'b')]
