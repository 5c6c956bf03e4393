"""Which connection a request goes over: a new one, one that was kept, or another in its place."""

import contextlib
import socket
import struct
import threading

import pytest
import requests

from pyramid_webhooks.delivery.transport import NotSent
from pyramid_webhooks.testing import Answer, Receiver
from tests.delivery.hostile_server import OK, HostileServer, answering
from tests.delivery.sending import prepared

# --- kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize('tls', [False, True])
def test_connections_are_kept_alive(adapters, tls):
    with Receiver(tls=tls) as receiver:
        adapter = adapters(ca_bundle=receiver.ca_bundle)
        receiver.answer(body='x' * 1000)
        for _ in range(20):
            assert adapter.send(prepared(receiver.url)).content == b'x' * 1000
        assert receiver.connections == 1


def test_threads_share_the_connections(adapter, receiver):
    together = threading.Barrier(8, timeout=10)
    receiver.answer(lambda request: 200 + min(together.wait(), 0), times=8)

    def send():
        for _ in range(5):
            assert adapter.send(prepared(receiver.url)).status_code == 200

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(receiver.requests) == 40
    assert receiver.connections == 8


def test_places_do_not_share_connections(adapter, receiver):
    with Receiver() as other:
        for _ in range(2):
            adapter.send(prepared(receiver.url))
            adapter.send(prepared(other.url))
        assert (receiver.connections, other.connections) == (1, 1)


def test_closing_closes_idle_connections_and_the_adapter_may_go_on(adapter, receiver):
    adapter.send(prepared(receiver.url))
    adapter.close()
    adapter.send(prepared(receiver.url))
    assert receiver.connections == 2


def test_an_answer_that_says_close_ends_the_connection(adapter, receiver):
    receiver.answer(headers={'Connection': 'close'})
    for _ in range(2):
        adapter.send(prepared(receiver.url))
    assert receiver.connections == 2


def test_a_receiver_that_was_restarted_is_reached_anew(adapter):
    receiver = Receiver()
    with receiver:
        adapter.send(prepared(receiver.url))
    with receiver:
        adapter.send(prepared(receiver.url))
    assert receiver.connections == len(receiver.requests) == 2


@pytest.mark.parametrize('status', [204, 304])
def test_answers_without_content_keep_the_connection(adapter, receiver, status):
    receiver.answer(status)
    for _ in range(2):
        response = adapter.send(prepared(receiver.url))
        assert (response.status_code, response.content) == (status, b'')
    assert receiver.connections == 1


def test_a_head_request_has_no_content_whatever_the_length(adapter, receiver):
    receiver.answer(body='abc')
    for _ in range(2):
        response = adapter.send(prepared(receiver.url, None, method='HEAD'))
        assert (response.headers['Content-Length'], response.content) == ('3', b'')
    assert receiver.connections == 1


def test_an_answer_during_the_body_is_taken_and_the_connection_not_used_again(adapter, receiver):
    receiver.answer(lambda request: Answer(413, {'Connection': 'close'}))
    response = adapter.send(prepared(receiver.url, b'x' * 1_000_000))
    assert response.status_code == 413


# --- replaced ------------------------------------------------------------------------------


def test_a_connection_closed_while_idle_is_replaced(adapter):
    closed = threading.Event()

    def script(connection, server):
        answering(OK)(connection, server)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with HostileServer(script) as server:
        for _ in range(3):
            closed.clear()
            assert adapter.send(prepared(server.url)).content == b'ok'
            assert closed.wait(5)
        assert server.connections == 3


@pytest.mark.parametrize('tls', [False, True])
@pytest.mark.parametrize('reset', [False, True])
def test_a_request_that_crosses_the_closing_is_sent_once_more(adapters, certificates, tls, reset):
    ca_bundle, context = certificates
    requests_seen = []

    def script(connection, server):
        peer = connection
        if tls:
            peer = context.wrap_socket(connection, server_side=True)
        with peer:
            answering(OK)(peer, server)
            if server.read_request(peer):
                requests_seen.append(server.connections)
                if reset:
                    linger = struct.pack('ii', 1, 0)
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with HostileServer(script) as server:
        with contextlib.closing(adapters(ca_bundle=ca_bundle)) as adapter:
            url = server.tls_url if tls else server.url
            for _ in range(2):
                assert adapter.send(prepared(url)).content == b'ok'
            assert server.connections == 2
            assert requests_seen == [1]


def test_a_connection_that_ends_with_a_408_is_replaced(adapter):
    late = b'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
    with HostileServer(answering(OK, late)) as server:
        for _ in range(3):
            assert adapter.send(prepared(server.url)).status_code == 200
        assert server.connections == 3


def test_a_408_on_a_fresh_connection_is_an_answer(adapter):
    late = b'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
    with HostileServer(answering(late)) as server:
        assert adapter.send(prepared(server.url)).status_code == 408
        assert server.connections == 1


def test_it_is_sent_once_more_only_on_a_fresh_connection_and_only_once(adapter):
    def script(connection, server):
        if server.connections == 1:
            answering(OK)(connection, server)
        server.read_request(connection)

    with HostileServer(script) as server:
        adapter.send(prepared(server.url))
        with pytest.raises(requests.exceptions.ConnectionError, match='without an answer'):
            adapter.send(prepared(server.url))
        assert server.connections == 2


def test_once_an_answer_has_begun_the_request_is_not_sent_again(adapter):
    with HostileServer(answering(OK, b'H')) as server:
        adapter.send(prepared(server.url))
        with pytest.raises(requests.exceptions.ConnectionError, match='is incomplete'):
            adapter.send(prepared(server.url))
        assert server.connections == 1


def test_what_was_lost_with_a_kept_connection_is_repeated_only_if_it_may_be(adapter, receiver):
    adapter.send(prepared(receiver.url))
    receiver.answer(reset=True, times=2)
    with pytest.raises(NotSent):
        adapter.exchange(prepared(receiver.url), may_send=lambda: False)
    assert len(receiver.requests) == 2
