"""Messages, and the copies of them that other threads may read."""

import pytest
import transaction
from ZODB.DB import DB

from pyramid_webhooks.resources.message import COPY_SIZE, INLINE_LIMIT, Message, Origin, copy_of

ORIGIN = Origin(1, 'host', 2.0, 'note', 'ann')


@pytest.fixture
def root():
    database = DB(None)
    manager = transaction.TransactionManager()
    manager.begin()
    connection = database.open(manager)
    yield connection.root()
    manager.abort()
    database.close()


def stored(root, data, errors=None):
    message = root['message'] = Message('employee.added', 1.5, ORIGIN, data, errors)
    root._p_jar.transaction_manager.commit()
    return message


def test_a_copy_says_what_the_message_says(root):
    message = stored(root, {'': b'{}', ('', 'sub_1'): b'{"n":1}'})
    copy = copy_of(message)
    assert (copy.id, copy.event, copy.timestamp) == (message.id, 'employee.added', 1.5)
    assert copy.serial == message._p_serial
    assert copy.data('', 'sub_1') == b'{"n":1}'
    assert copy.data('', 'sub_2') == b'{}'
    assert copy.data('thin') is None
    assert copy.error('thin', 'sub_1') is None
    assert not hasattr(copy, '_p_jar')


def test_there_is_none_of_what_is_not_committed(root):
    assert copy_of(Message('employee.added', 1.5, ORIGIN, {'': b'{}'})) is None
    message = root['message'] = Message('employee.added', 1.5, ORIGIN, {'': b'{}'})
    root._p_jar.add(message)
    assert copy_of(message) is None
    root._p_jar.transaction_manager.savepoint()
    assert copy_of(message) is None


def test_there_is_none_of_what_would_have_to_be_read(root):
    message = stored(root, {'': b'{}'})
    message._p_deactivate()
    assert copy_of(message) is None
    assert message._p_changed is None


@pytest.mark.parametrize(
    ('data', 'is_small'),
    [
        ({'': b'x' * (COPY_SIZE // 2)}, True),
        ({'': b'x' * COPY_SIZE}, False),
        ({'': b'x' * (COPY_SIZE // 2), 'thin': b'x' * (COPY_SIZE // 2)}, False),
        ({('', f'sub_{number}'): b'' for number in range(10)}, True),
        ({('', f'sub_{number}'): b'' for number in range(1000)}, False),
        ({'': b'x' * (INLINE_LIMIT + 1)}, False),
    ],
)
def test_there_is_none_of_what_is_large(root, data, is_small):
    assert (copy_of(stored(root, data)) is not None) == is_small


def test_there_is_none_of_what_could_not_be_made(root):
    assert copy_of(stored(root, {'': b'{}'}, {'thin': 'Because.'})) is None
