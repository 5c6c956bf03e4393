"""The receiver is driven over real sockets, by http.client and by bytes."""

import http.client
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from pyramid_webhooks.testing import Answer, Receiver


@pytest.fixture
def client(receiver):
    connection = http.client.HTTPConnection(receiver.host, receiver.port, timeout=5)
    yield connection
    connection.close()


def post(client, path='/', body=b'', headers=None):
    client.request('POST', path, body, headers or {})
    response = client.getresponse()
    response.content = response.read()
    return response


def raw(receiver, data):
    """Send bytes, return everything that comes back until the receiver closes."""
    with socket.create_connection((receiver.host, receiver.port), timeout=5) as connection:
        connection.sendall(data)
        with connection.makefile('rb') as stream:
            return stream.read()


def test_a_request_is_recorded_with_its_method_path_headers_body_and_time(receiver, client):
    before = time.time()
    client.request('PUT', '/a/b?c=d', b'{"x": 1}', {'X-Token': 'é', 'Content-Type': 'text/json'})
    assert client.getresponse().read() == b''
    [request] = receiver.requests
    assert (request.method, request.path, request.body) == ('PUT', '/a/b?c=d', b'{"x": 1}')
    assert request.json() == {'x': 1}
    assert request.headers['x-token'] == request.headers['X-TOKEN'] == 'é'
    assert 'content-TYPE' in request.headers
    assert before <= request.time <= time.time()


def test_a_repeated_header_is_one_joined_value(receiver):
    raw(receiver, b'GET / HTTP/1.0\r\nX-A: 1\r\nx-a: 2\r\n\r\n')
    assert dict(receiver.requests[0].headers) == {'X-A': '1, 2'}


def test_the_url_names_the_port_and_any_path(receiver):
    assert receiver.url == f'http://127.0.0.1:{receiver.port}/'
    assert receiver.url_for('/a/b') == receiver.url_for('a/b') == receiver.url + 'a/b'


def test_the_url_before_the_first_start_is_a_clear_error():
    with pytest.raises(RuntimeError, match='start it first'):
        _ = Receiver().url


def test_requests_share_a_kept_alive_connection(receiver, client):
    for _ in range(5):
        assert post(client).status == 200
    assert receiver.connections == 1
    assert [request.connection for request in receiver.requests] == [1] * 5


def test_a_connection_ends_when_the_client_asks_for_it(receiver):
    answer = raw(receiver, b'GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
    assert answer == b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'


def test_a_connection_ends_with_an_answer_that_says_so(receiver, client):
    receiver.answer(headers={'Connection': 'close'})
    post(client)
    post(client)
    assert receiver.connections == 2


def test_the_standing_answer_has_status_headers_and_body(receiver, client):
    receiver.answer(503, {'Retry-After': '7'}, 'später')
    response = post(client)
    assert (response.status, response.reason) == (503, 'Service Unavailable')
    assert response.headers['Retry-After'] == '7'
    assert response.content == 'später'.encode()
    assert post(client).status == 503


def test_queued_answers_are_used_up_in_order_and_then_the_standing_one(receiver, client):
    receiver.answer(500, times=2)
    receiver.answer(404, times=1)
    receiver.answer(202)
    assert [post(client).status for _ in range(5)] == [500, 500, 404, 202, 202]


def test_a_path_has_its_own_answers_whatever_its_query(receiver, client):
    receiver.answer(410, path='/gone')
    receiver.answer(500, path='/gone', times=1)
    receiver.answer(201, times=1)
    assert post(client, '/gone?x=1').status == 500
    assert post(client, '/gone?x=2').status == 410
    assert [post(client).status for _ in range(2)] == [201, 200]


def test_a_function_may_answer(receiver, client):
    receiver.answer(lambda request: Answer(201, body=request.body[::-1]))
    response = post(client, body=b'abc')
    assert (response.status, response.content) == (201, b'cba')
    receiver.answer(lambda request: 418, path='/status')
    receiver.answer(lambda request: None, path='/nothing')
    assert post(client, '/status').status == 418
    assert post(client, '/nothing').status == 200


def test_a_function_that_fails_answers_500_with_the_traceback(receiver, client):
    receiver.answer(lambda request: 1 / 0)
    response = post(client)
    assert response.status == 500
    assert b'ZeroDivisionError' in response.content


def test_an_answer_may_be_delayed_and_dripped(receiver, client):
    receiver.answer(delay=0.1)
    started = time.monotonic()
    post(client)
    assert time.monotonic() - started >= 0.1
    receiver.answer(204, drip=0.002)
    started = time.monotonic()
    assert post(client).status == 204
    assert time.monotonic() - started >= 0.04


def test_a_reset_is_seen_by_the_client_and_the_request_recorded(receiver, client):
    receiver.answer(reset=True)
    with pytest.raises(ConnectionResetError):
        post(client)
    assert len(receiver.requests) == 1


def test_answers_without_a_body_keep_the_connection_in_step(receiver, client):
    receiver.answer(204, body='ignored')
    post(client)
    client.request('HEAD', '/')
    receiver.answer(200, body='x')
    assert client.getresponse().read() == b''
    assert post(client).content == b'x'
    assert receiver.connections == 1


def test_a_chunked_body_is_read(receiver, client):
    client.request('POST', '/', iter([b'abc', b'defg']), encode_chunked=True)
    client.getresponse().read()
    post(client, body=b'next')
    assert [request.body for request in receiver.requests] == [b'abcdefg', b'next']


def test_a_client_that_expects_100_continue_gets_it(receiver):
    with socket.create_connection((receiver.host, receiver.port), timeout=5) as connection:
        connection.sendall(
            b'POST / HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\n'
            b'Content-Length: 2\r\n\r\n'
        )
        assert connection.recv(100) == b'HTTP/1.1 100 Continue\r\n\r\n'
        connection.sendall(b'hi')
        assert connection.recv(100).startswith(b'HTTP/1.1 200 OK\r\n')
    assert receiver.requests[0].body == b'hi'


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'nonsense\r\n\r\n', b'request line'),
        (b'GET / HTTP/3\r\n\r\n', b'HTTP/3'),
        (b'GET / HTTP/1.1\r\nno colon\r\n\r\n', b'no colon'),
        (b'GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n', b'not a number'),
        (b'GET / HTTP/1.1\r\nContent-Length: 67108865\r\n\r\n', b'larger'),
        (b'GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4000001\r\n', b'larger'),
        (b'GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n', b'larger'),
        (b'GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', b'hexadecimal'),
        (b'GET / HTTP/1.1\r\nA: ' + b'x' * 70000, b'longer'),
        (b'GET / HTTP/1.1\r\n' + b'A: b\r\n' * 257, b'more than 256'),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(receiver, data, reason):
    answer = raw(receiver, data)
    assert answer.startswith(b'HTTP/1.1 400 Bad Request\r\n')
    assert reason in answer
    assert receiver.requests == []


def test_waiting_returns_the_requests_once_enough_have_come(receiver):
    def send():
        client = http.client.HTTPConnection(receiver.host, receiver.port, timeout=5)
        for number in range(3):
            post(client, body=b'%d' % number)
        client.close()

    thread = threading.Thread(target=send)
    thread.start()
    requests = receiver.wait_for(3)
    thread.join()
    assert [request.body for request in requests] == [b'0', b'1', b'2']


def test_waiting_in_vain_says_how_many_came(receiver, client):
    post(client)
    with pytest.raises(TimeoutError, match='received 1 of 2 requests within 0.05 seconds'):
        receiver.wait_for(2, timeout=0.05)


def test_clearing_forgets_the_requests_and_keeps_the_answers(receiver, client):
    receiver.answer(202)
    post(client)
    receiver.clear()
    assert receiver.requests == []
    assert post(client).status == 202


def test_many_connections_are_served_at_once(receiver):
    together = threading.Barrier(8, timeout=10)
    receiver.answer(lambda request: 200 + min(together.wait(), 0))
    threads = [
        threading.Thread(target=raw, args=(receiver, b'GET / HTTP/1.0\r\n\r\n')) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert not together.broken
    assert receiver.connections == len(receiver.requests) == 8


def test_a_stopped_receiver_refuses_and_a_restarted_one_has_the_same_port(client):
    receiver = Receiver().start()
    try:
        port = receiver.port
        with socket.create_connection((receiver.host, port), timeout=5) as idle:
            receiver.stop()
            assert idle.recv(1) == b''
        receiver.stop()
        with pytest.raises(ConnectionRefusedError):
            raw(receiver, b'')
        receiver.start()
        assert receiver.port == port
        with pytest.raises(RuntimeError, match='started already'):
            receiver.start()
        assert raw(receiver, b'GET / HTTP/1.0\r\n\r\n').startswith(b'HTTP/1.1 200')
    finally:
        receiver.stop()


def test_stopping_does_not_wait_for_a_delayed_answer():
    with Receiver() as receiver:
        receiver.answer(delay=60)
        with socket.create_connection((receiver.host, receiver.port), timeout=5) as connection:
            connection.sendall(b'GET / HTTP/1.1\r\n\r\n')
            receiver.wait_for(1)
            started = time.monotonic()
            receiver.stop()
            assert time.monotonic() - started < 4


def test_stopping_leaves_no_thread_behind():
    before = set(threading.enumerate())
    with Receiver() as receiver:
        raw(receiver, b'GET / HTTP/1.0\r\n\r\n')
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize('name', ['127.0.0.1', 'localhost'])
def test_a_tls_receiver_is_trusted_through_its_ca_bundle(name):
    with Receiver(tls=True) as receiver:
        assert receiver.url == f'https://127.0.0.1:{receiver.port}/'
        context = ssl.create_default_context(cafile=receiver.ca_bundle)
        client = http.client.HTTPSConnection(name, receiver.port, context=context, timeout=5)
        assert [post(client, body=b'x').status for _ in range(2)] == [200, 200]
        client.close()
        assert receiver.connections == 1
        assert [request.body for request in receiver.requests] == [b'x', b'x']


def test_a_tls_receiver_is_not_trusted_without_its_ca_bundle():
    with Receiver(tls=True) as receiver:
        client = http.client.HTTPSConnection(receiver.host, receiver.port, timeout=5)
        with pytest.raises(ssl.SSLCertVerificationError):
            post(client)
        client.close()
        assert receiver.requests == []


def test_stopping_ends_a_handshake_that_never_comes():
    with Receiver(tls=True) as receiver:
        with socket.create_connection((receiver.host, receiver.port), timeout=5) as silent:
            receiver.stop()
            assert silent.recv(1) == b''


def test_the_files_of_a_tls_receiver_go_with_it():
    receiver = Receiver(tls=True)
    folder = Path(receiver.ca_bundle).parent
    assert folder.is_dir()
    del receiver
    assert not folder.exists()


def test_tls_without_cryptography_is_a_clear_error(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'cryptography', None)
    with pytest.raises(RuntimeError, match='"cryptography", which is not installed'):
        Receiver(tls=True)


def test_a_receiver_that_stops_may_answer_what_it_has_received(receiver, client):
    receiver.answer(202, delay=0.3)
    client.request('POST', '/')
    receiver.wait_for(1)
    receiver.stop(finish=5)
    assert client.getresponse().status == 202
