"""The transport against servers that mean harm."""

import contextlib
import socket
import threading
import time

import pytest
import requests

from pyramid_webhooks.delivery.answer import MAX_HEADERS, MAX_KEPT, MAX_LINE
from pyramid_webhooks.delivery.transport import WebhookAdapter
from tests.delivery.hostile_server import OK, HostileServer, ServerTls, answering
from tests.delivery.sending import LOOPBACK, prepared

TIMEOUT = 0.4


@contextlib.contextmanager
def adapter_for(server, **options):
    """Return an adapter with little time; what it sends ends when the server does."""
    options = {'connect_timeout': TIMEOUT, 'timeout': TIMEOUT, **options}
    adapter = WebhookAdapter(LOOPBACK, **options)
    try:
        yield adapter
    finally:
        adapter.close()


@contextlib.contextmanager
def ends_in_time(seconds=TIMEOUT):
    started = time.monotonic()
    yield
    assert seconds - 0.05 <= time.monotonic() - started < seconds + 2


# --- time ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('at_once', 'dripped'),
    [
        (b'', OK * 100),
        (b'HTTP/1.1 200 OK\r\n', b'X-A: b\r\n' * 90),
        (b'HTTP/1.1 200 OK\r\nX-A: ', b'b' * 5000),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n', b'x' * 5000),
        (b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n', b'x' * 5000),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', b'1\r\nx\r\n' * 900),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;', b'x' * 900),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', b'A: b\r\n' * 90),
        (b'', b'HTTP/1.1 102 Processing\r\n\r\n' * 15),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx', b''),
    ],
)
def test_whatever_drips_the_exchange_ends_in_time(at_once, dripped):
    def script(connection, server):
        server.read_request(connection)
        connection.sendall(at_once)
        server.drip(connection, dripped)
        server.stopping.wait(10)

    with HostileServer(script) as server, adapter_for(server) as adapter:
        with (
            ends_in_time(),
            pytest.raises(
                requests.exceptions.ReadTimeout, match='was not complete within 0.4 seconds'
            ),
        ):
            adapter.send(prepared(server.url))


def test_a_server_that_never_reads_ends_in_time():
    def script(connection, server):
        server.stopping.wait(10)

    with HostileServer(script) as server, adapter_for(server) as adapter:
        with ends_in_time(), pytest.raises(requests.exceptions.ReadTimeout):
            adapter.send(prepared(server.url, b'x' * 50_000_000))


def test_a_server_that_reads_little_by_little_ends_in_time():
    def script(connection, server):
        while connection.recv(4096) and not server.stopping.wait(0.01):
            pass

    with HostileServer(script) as server, adapter_for(server) as adapter:
        with ends_in_time(), pytest.raises(requests.exceptions.ReadTimeout):
            adapter.send(prepared(server.url, b'x' * 50_000_000))


def test_a_server_that_never_answers_ends_in_time():
    with HostileServer(lambda connection, server: server.stopping.wait(10)) as server:
        with adapter_for(server) as adapter, ends_in_time():
            with pytest.raises(requests.exceptions.ReadTimeout):
                adapter.send(prepared(server.url))


def test_a_kept_connection_ends_in_time_too():
    def script(connection, server):
        answering(OK)(connection, server)
        server.read_request(connection)
        server.drip(connection, b'HTTP/1.1 200 OK\r\n' + b'A: b\r\n' * 90)

    with HostileServer(script) as server, adapter_for(server) as adapter:
        adapter.send(prepared(server.url))
        with ends_in_time(), pytest.raises(requests.exceptions.ReadTimeout):
            adapter.send(prepared(server.url))
        assert server.connections == 1


def test_the_second_sending_has_no_time_of_its_own():
    def script(connection, server):
        if server.connections == 1:
            answering(OK)(connection, server)
            server.read_request(connection)
            server.stopping.wait(TIMEOUT / 2)
        else:
            server.stopping.wait(10)

    with HostileServer(script) as server, adapter_for(server) as adapter:
        adapter.send(prepared(server.url))
        with ends_in_time(), pytest.raises(requests.exceptions.ReadTimeout):
            adapter.send(prepared(server.url))
        assert server.connections == 2


def test_a_stalled_handshake_ends_in_time():
    with HostileServer(lambda connection, server: server.stopping.wait(10)) as server:
        with adapter_for(server, timeout=10) as adapter, ends_in_time():
            with pytest.raises(
                requests.exceptions.ConnectTimeout, match='took longer than 0.4 seconds'
            ):
                adapter.send(prepared(server.tls_url))


def test_a_dripped_handshake_ends_in_time(certificates):
    ca_bundle, context = certificates

    def script(connection, server):
        ServerTls(connection, context).handshake(lambda data: server.drip(connection, data))

    with HostileServer(script) as server:
        with adapter_for(server, timeout=10, ca_bundle=ca_bundle) as adapter, ends_in_time():
            with pytest.raises(requests.exceptions.ConnectTimeout):
                adapter.send(prepared(server.tls_url))


def test_a_dripped_tls_record_ends_in_time(certificates):
    ca_bundle, context = certificates

    def script(connection, server):
        tls = ServerTls(connection, context)
        tls.handshake()
        tls.read()
        server.drip(connection, tls.encrypted(OK + b'x' * 5000))

    with HostileServer(script) as server:
        with adapter_for(server, connect_timeout=5, timeout=1, ca_bundle=ca_bundle) as adapter:
            with ends_in_time(1), pytest.raises(requests.exceptions.ReadTimeout):
                adapter.send(prepared(server.tls_url))


def test_a_connection_that_nobody_accepts_ends_in_time():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        place = listener.getsockname()
        waiting = []
        # A full backlog makes the kernel drop what comes next.
        for _ in range(5):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(place)
        try:
            with adapter_for(None, timeout=10) as adapter, ends_in_time():
                with pytest.raises(requests.exceptions.Timeout):
                    adapter.send(prepared(f'http://127.0.0.1:{place[1]}/'), timeout=TIMEOUT)
        finally:
            for sock in waiting:
                sock.close()


# --- size ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'head',
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n',
        b'HTTP/1.1 200 OK\r\n\r\n',
        b'HTTP/1.0 200 OK\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n',
    ],
)
def test_an_endless_body_is_cut(head):
    sent = threading.Event()

    def script(connection, server):
        server.read_request(connection)
        connection.sendall(head)
        try:
            while not server.stopping.is_set():
                connection.sendall(b'x' * 65536)
        finally:
            sent.set()

    with HostileServer(script) as server, adapter_for(server, timeout=5) as adapter:
        response = adapter.send(prepared(server.url))
        assert response.truncated
        assert response.content == b'x' * 16 * 1024
        assert sent.wait(5)


@pytest.mark.parametrize(
    ('answer', 'reason'),
    [
        (b'HTTP/1.1 200 ' + b'x' * MAX_LINE, 'a line of more than 8192 bytes'),
        (b'HTTP/1.1 200 OK\r\nA: ' + b'x' * MAX_LINE, 'a line of more than 8192 bytes'),
        (b'HTTP/1.1 200 OK\r\n' + b'A: b\r\n' * (MAX_HEADERS + 1), 'more than 100 headers'),
        (b'HTTP/1.1 200 OK\r\nA: b\r\n' + b' c\r\n' * MAX_HEADERS, 'more than 100 headers'),
        (b'HTTP/1.1 200 OK\r\n folded\r\n\r\n', "header line ' folded'"),
        (b'HTTP/1.1 100 Continue\r\n\r\n' * 100, 'more than 16 interim answers'),
        (
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n' + b'A: b\r\n' * 101,
            'more than 100 headers',
        ),
        (
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;' + b'x' * 2000,
            'a line of more than 1024 bytes',
        ),
        (b'SSH-2.0-OpenSSH_9.6\r\n', "begins with 'SSH-2.0-OpenSSH_9.6'"),
        (b'HTTP/2 200 OK\r\n\r\n', 'begins with'),
        (b'HTTP/1.1 20 OK\r\n\r\n', 'begins with'),
        (b'\r\n\r\n', "begins with ''"),
        (b'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'switches to another protocol'),
        (b'HTTP/1.1 200 OK\r\nno colon\r\n\r\n', "header line 'no colon'"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', "Content-Length '-1'"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 1e9\r\n\r\n', 'Content-Length'),
        (b'HTTP/1.1 200 OK\r\nContent-Length: ' + b'9' * 500 + b'\r\n\r\n', 'Content-Length'),
        (
            b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
            "Content-Length '1,2'",
        ),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n', "chunk size '-1'"),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n', 'chunk size'),
        (
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n',
            'longer than it says',
        ),
    ],
)
def test_what_is_no_answer_or_beyond_measure_is_a_clear_failure(answer, reason):
    with HostileServer(answering(answer, b'')) as server:
        with adapter_for(server, timeout=5) as adapter:
            with pytest.raises(requests.exceptions.ConnectionError) as caught:
                adapter.send(prepared(server.url))
            assert reason in str(caught.value)
            assert 'is not valid HTTP' in str(caught.value)
            assert str(caught.value).isprintable()
            assert server.connections == 1


@pytest.mark.parametrize(
    ('answer', 'reason'),
    [
        (b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc', 'closed after 3 bytes of content'),
        (b'HTTP/1.1 200 OK\r\nContent-Le', 'closed within the headers'),
        (
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n',
            'closed within the headers',
        ),
        (b'', 'closed the connection without an answer'),
    ],
)
def test_an_answer_that_breaks_off_is_a_failure_and_not_asked_for_again(answer, reason):
    with HostileServer(answering(answer)) as server, adapter_for(server, timeout=5) as adapter:
        with pytest.raises(requests.exceptions.ConnectionError, match=reason):
            adapter.send(prepared(server.url))
        assert server.connections == 1


def test_what_follows_an_answer_is_never_taken_for_the_next_one():
    forged = b'HTTP/1.1 299 Forged\r\nContent-Length: 0\r\n\r\n'
    with HostileServer(answering(OK + forged, OK)) as server:
        with adapter_for(server, timeout=5) as adapter:
            for _ in range(3):
                assert adapter.send(prepared(server.url)).status_code == 200
            assert server.connections == 3


def test_an_answer_with_two_lengths_of_different_kind_is_the_last_of_its_connection():
    both = (
        b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n'
        b'2\r\nok\r\n0\r\n\r\n'
    )
    with HostileServer(answering(both, both)) as server:
        with adapter_for(server, timeout=5) as adapter:
            for _ in range(2):
                assert adapter.send(prepared(server.url)).content == b'ok'
            assert server.connections == 2


@pytest.mark.parametrize(
    ('answer', 'kept'),
    [
        (b'HTTP/1.0 200 OK\r\n\r\nok', False),
        (b'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', False),
        (b'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok', True),
        (b'HTTP/1.1 200 OK\r\n\r\nok', False),
        (b'HTTP/1.1 200\nContent-Length: 2\n\nok', True),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok', True),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok', True),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n', True),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n000\r\n'
         b'X-Trailer: a\r\n\r\n', True),
        (b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n' + OK, True),
    ],
)  # fmt: skip
def test_every_form_of_answer_is_read_to_its_end(answer, kept):
    def script(connection, server):
        answering(answer)(connection, server)
        if kept:
            answering(answer)(connection, server)

    with HostileServer(script) as server, adapter_for(server, timeout=5) as adapter:
        for _ in range(2):
            response = adapter.send(prepared(server.url))
            assert (response.status_code, response.content) == (200, b'ok')
            assert 'Link' not in response.headers
        assert server.connections == (1 if kept else 2)


def test_an_answer_given_before_the_body_was_read_is_taken():
    def script(connection, server):
        connection.recv(1024)
        connection.sendall(b'HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n')
        connection.shutdown(socket.SHUT_WR)
        server.stopping.wait(10)

    with HostileServer(script) as server, adapter_for(server, timeout=2) as adapter:
        response = adapter.send(prepared(server.url, b'x' * 100_000))
        assert response.status_code == 413


def test_a_hundred_headers_of_8_kib_are_read_and_some_of_them_kept():
    large = b''.join(b'X-%02d: %b\r\n' % (number, b'x' * 8180) for number in range(98))
    answer = b'HTTP/1.1 503 Busy\r\n' + large + b'Retry-After: 9\r\nContent-Length: 2\r\n\r\nok'
    with HostileServer(answering(answer, OK)) as server:
        with adapter_for(server, timeout=5) as adapter:
            response = adapter.send(prepared(server.url))
            assert (response.status_code, response.content) == (503, b'ok')
            assert response.headers['Retry-After'] == '9'
            assert sum(map(len, sum(response.header_items, ()))) <= MAX_KEPT
            assert response.truncated
            assert adapter.send(prepared(server.url)).truncated is False
            assert server.connections == 1


def test_a_header_that_goes_on_in_the_next_line_is_one_header():
    answer = b'HTTP/1.1 200 OK\r\nX-A: b\r\n  c\r\n\t d\r\nContent-Length: 2\r\n\r\nok'
    with HostileServer(answering(answer)) as server, adapter_for(server, timeout=5) as adapter:
        assert adapter.send(prepared(server.url)).headers['X-A'] == 'b c d'


def test_control_characters_of_a_header_become_spaces():
    answer = b'HTTP/1.1 200 OK\r\nX-A: a\x1b[31mb\x00c\x9bd\rX-B: e\r\nContent-Length: 2\r\n\r\nok'
    with HostileServer(answering(answer)) as server, adapter_for(server, timeout=5) as adapter:
        response = adapter.send(prepared(server.url))
        assert response.headers['X-A'] == 'a [31mb c d X-B: e'


def test_a_reason_with_control_characters_is_cleaned():
    answer = b'HTTP/1.1 500 a\x1b[31mb\x00c\r\nContent-Length: 0\r\n\r\n'
    with HostileServer(answering(answer)) as server, adapter_for(server, timeout=5) as adapter:
        assert adapter.send(prepared(server.url)).reason == 'a[31mbc'
