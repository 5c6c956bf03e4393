"""What stands for the database of an application without ZODB."""

import os
import threading

import pytest
import transaction
from pyramid.request import Request
from zope.interface.verify import verifyObject

from pyramid_webhooks.interfaces import IMemory
from pyramid_webhooks.outbox.memory import Memory
from pyramid_webhooks.outbox.owed import count_owed
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.outbox.segment import Entry
from tests.outbox.test_memory_storage import Note


def prepare(connection):
    outbox_of(connection, create=True)


@pytest.fixture
def memory():
    memory = Memory(1 << 20, prepare)
    yield memory
    memory.database.close()


@pytest.fixture
def request_():
    """A request with a transaction manager."""
    request = Request.blank('/')
    request.tm = transaction.TransactionManager(explicit=True)
    request.tm.begin()
    return request


def owe(connection, text='x'):
    outbox_of(connection).intake.append(Entry(Note(text), b'recipien'))


def owed(memory):
    with memory.session() as connection:
        return count_owed(connection)


def test_it_provides_its_interface(memory):
    assert verifyObject(IMemory, memory)


def test_it_begins_with_an_empty_outbox(memory):
    assert owed(memory) == 0


def test_what_a_request_does_is_committed_when_its_transaction_is(memory, request_):
    owe(memory.connection(request_))
    assert memory.connection(request_) is memory.connection(request_)
    assert owed(memory) == 0
    request_.tm.commit()
    assert owed(memory) == 1
    request_._process_finished_callbacks()
    assert not [each for each in memory.database.connectionDebugInfo() if each['opened']]


@pytest.mark.parametrize('end', ['abort', 'doom', 'fail'])
def test_what_a_request_does_is_forgotten_with_its_transaction(memory, request_, end):
    owe(memory.connection(request_))
    if end == 'fail':
        request_.tm.get().join(Failing())
        with pytest.raises(RuntimeError):
            request_.tm.commit()
    elif end == 'doom':
        request_.tm.doom()
    request_.tm.abort()
    request_._process_finished_callbacks()
    assert owed(memory) == 0


class Failing:
    """A data manager that votes no."""

    def sortKey(self):
        return '~'

    def abort(self, txn):
        pass

    tpc_begin = commit = tpc_finish = tpc_abort = abort

    def tpc_vote(self, txn):
        raise RuntimeError('no')


def test_a_request_without_a_transaction_can_read(memory):
    request = Request.blank('/')
    request.tm = transaction.TransactionManager(explicit=True)
    assert count_owed(memory.connection(request)) == 0
    request._process_finished_callbacks()


def test_a_child_of_a_fork_owes_nothing_of_what_its_parent_does(memory):
    with memory.session() as connection:
        owe(connection)
        connection.transaction_manager.commit()
    # Somebody is just committing, and will never have finished in the child.
    held = threading.Event()
    release = threading.Event()

    def hold():
        with memory.database.storage._commit_lock:
            held.set()
            release.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            before = owed(memory)
            with memory.session() as connection:
                owe(connection)
                owe(connection)
                connection.transaction_manager.commit()
            status = 0 if (before, owed(memory)) == (0, 2) else 2
        finally:
            os._exit(status)
    release.set()
    thread.join(20)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert owed(memory) == 1
