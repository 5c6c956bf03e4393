"""The pool, with real connections that nobody talks on."""

import socket
import threading
import time

import pytest

from pyramid_webhooks.delivery.connection import Connection
from pyramid_webhooks.delivery.link import Link
from pyramid_webhooks.delivery.pool import ConnectionPool


@pytest.fixture
def connect():
    """Make a connection to a place, and the peer's end of it."""
    peers = []

    def make(place='a'):
        ours, theirs = socket.socketpair()
        peers.append(theirs)
        connection = Connection(('http', place, 80), Link(ours, float('inf')))
        connection.peer = theirs
        return connection

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def pool():
    pool = ConnectionPool(size=4, size_per_place=2, max_idle=60)
    yield pool
    pool.clear()


def is_closed(connection):
    connection.peer.setblocking(False)
    try:
        return connection.peer.recv(1) == b''
    except BlockingIOError:
        return False


def test_the_connection_used_last_is_taken_first(pool, connect):
    first, second = connect(), connect()
    pool.put(first)
    pool.put(second)
    assert pool.take(first.key) is second
    assert pool.take(first.key) is first
    assert pool.take(first.key) is None
    first.close()
    second.close()


def test_a_place_has_its_own_connections(pool, connect):
    connection = connect('a')
    pool.put(connection)
    assert pool.take(('https', 'a', 80)) is None
    assert pool.take(('http', 'b', 80)) is None
    assert len(pool) == 1


def test_a_place_keeps_so_many_and_closes_the_oldest(pool, connect):
    connections = [connect() for _ in range(3)]
    for connection in connections:
        pool.put(connection)
    assert len(pool) == 2
    assert [is_closed(connection) for connection in connections] == [True, False, False]


def test_all_places_together_keep_so_many_and_the_oldest_is_closed(pool, connect):
    connections = [connect(str(number)) for number in range(6)]
    for connection in connections:
        pool.put(connection)
    assert len(pool) == 4
    assert [is_closed(connection) for connection in connections] == [True] * 2 + [False] * 4
    assert not pool._places.keys() - {connection.key for connection in connections[2:]}


def test_a_connection_that_the_peer_has_closed_is_not_taken(pool, connect):
    alive, closed = connect(), connect()
    pool.put(alive)
    pool.put(closed)
    closed.peer.close()
    assert pool.take(alive.key) is alive
    alive.close()


def test_a_connection_on_which_something_came_unasked_is_not_taken(pool, connect):
    connection = connect()
    pool.put(connection)
    connection.peer.sendall(b'HTTP/1.1 200 OK\r\n')
    assert pool.take(connection.key) is None
    assert len(pool) == 0


def test_connections_that_idled_too_long_are_closed_when_the_pool_is_used(connect):
    pool = ConnectionPool(max_idle=0)
    for use in (pool.prune, lambda: pool.take(('http', 'z', 80)), pool.clear):
        connection = connect()
        pool.put(connection)
        while time.monotonic() <= pool._by_age[connection]:
            pass
        use()
        assert len(pool) == 0
        assert is_closed(connection)


def test_threads_never_take_the_same_connection(connect):
    pool = ConnectionPool(size_per_place=100)
    connections = [connect() for _ in range(50)]
    for connection in connections:
        pool.put(connection)
    taken = []

    def work():
        for _ in range(200):
            connection = pool.take(('http', 'a', 80))
            if connection is not None:
                taken.append(connection)
                assert connection not in pool._by_age
                pool.put(connection)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(pool) == 50
    assert set(taken) <= set(connections)
    pool.clear()
    assert all(is_closed(connection) for connection in connections)
