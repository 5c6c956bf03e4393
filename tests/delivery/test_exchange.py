"""Every way an exchange can go is one outcome, whatever the adapter."""

import dataclasses
import os
import socket
import ssl

import pytest
import requests
import requests.adapters

from pyramid_webhooks.delivery.destination import DestinationPolicy
from pyramid_webhooks.delivery.exchange import Outcome, perform
from pyramid_webhooks.delivery.transport import WebhookAdapter
from pyramid_webhooks.testing import Receiver
from tests.delivery.hostile_server import HostileServer
from tests.delivery.sending import LOOPBACK, prepared, resolver


@pytest.fixture
def plain_adapter():
    adapter = requests.adapters.HTTPAdapter()
    yield adapter
    adapter.close()


@pytest.fixture(params=['ours', 'that of requests'])
def any_adapter(request, adapter, plain_adapter):
    return adapter if request.param == 'ours' else plain_adapter


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


class Wordless(Exception):
    def __str__(self):
        return str(1 / 0)


def raising(error):
    class Adapter(requests.adapters.BaseAdapter):
        def send(self, request, **options):
            raise error

    return Adapter()


def test_an_answer_is_an_outcome_of_plain_values(any_adapter, receiver):
    receiver.answer(200, {'X-A': 'b'}, b'{"ok": true}')
    outcome = perform(any_adapter, prepared(receiver.url, b'{}'), 5)
    assert outcome.status == 200
    assert outcome.reason == 'OK'
    assert outcome.message == '200 OK'
    assert outcome.headers == (('X-A', 'b'), ('Content-Length', '12'))
    assert outcome.content == b'{"ok": true}'
    assert outcome.truncated is False
    assert outcome.exceptions == ()
    assert outcome.succeeded
    assert not outcome.permanent
    assert 0 < outcome.elapsed < 5


def test_an_outcome_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Outcome(200).status = 500


@pytest.mark.parametrize(
    ('status', 'message', 'succeeded'),
    [
        (201, '201 Created', True),
        (299, '299 Unknown', True),
        (302, '302 Found', False),
        (404, '404 Not Found', False),
        (410, '410 Gone', False),
        (503, '503 Service Unavailable', False),
    ],
)
def test_only_a_2xx_is_a_success(any_adapter, receiver, status, message, succeeded):
    receiver.answer(status)
    outcome = perform(any_adapter, prepared(receiver.url, b''), 5)
    assert (outcome.message, outcome.succeeded) == (message, succeeded)
    assert not outcome.permanent


def test_a_missing_reason_is_the_standard_one(adapter):
    def script(connection, server):
        server.read_request(connection)
        connection.sendall(b'HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n')

    with HostileServer(script) as server:
        assert perform(adapter, prepared(server.url), 5).message == '404 Not Found'


def test_much_content_is_cut_whatever_the_adapter(any_adapter, receiver):
    receiver.answer(body=b'x' * 1_000_000)
    outcome = perform(any_adapter, prepared(receiver.url, b''), 5)
    assert outcome.truncated
    assert outcome.content == b'x' * 16 * 1024


def test_a_refused_connection_is_said_so(any_adapter):
    port = free_port()
    outcome = perform(any_adapter, prepared(f'http://127.0.0.1:{port}/', b''), 5)
    assert outcome.message == f'127.0.0.1:{port} refused the connection.'
    assert outcome.status is None
    assert not outcome.succeeded
    assert not outcome.permanent
    assert outcome.exceptions[0].startswith('ConnectionRefusedError: ')


def test_a_reset_is_said_so(any_adapter, receiver):
    receiver.answer(reset=True)
    outcome = perform(any_adapter, prepared(receiver.url, b''), 5)
    assert outcome.message == (
        f'The connection to 127.0.0.1:{receiver.port} was reset before the answer was complete.'
    )
    assert outcome.exceptions[0] == 'ConnectionResetError: Connection reset by peer'


def test_a_late_answer_is_said_so(any_adapter, receiver):
    receiver.answer(delay=5)
    outcome = perform(any_adapter, prepared(receiver.url, b''), 0.2)
    assert outcome.message == (
        f'The answer of 127.0.0.1:{receiver.port} was not complete within 0.2 seconds.'
    )
    assert 0.2 <= outcome.elapsed < 2


def test_a_certificate_that_is_not_trusted_is_said_so(any_adapter):
    with Receiver(tls=True) as receiver:
        outcome = perform(any_adapter, prepared(receiver.url, b''), 5)
    assert outcome.message == (
        f'The TLS certificate of 127.0.0.1:{receiver.port} was not accepted: '
        'unable to get local issuer certificate.'
    )


def test_tls_that_fails_is_said_so(any_adapter, receiver):
    url = receiver.url.replace('http', 'https')
    outcome = perform(any_adapter, prepared(url, b''), 5)
    assert outcome.message.startswith(f'TLS with 127.0.0.1:{receiver.port} failed: ')


def test_an_unknown_name_is_said_so():
    def look_up(host, port, type):
        raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')

    adapter = WebhookAdapter(LOOPBACK, resolver=look_up)
    outcome = perform(adapter, prepared('https://nowhere.example/'), 5)
    assert outcome.message == (
        'The host name "nowhere.example" could not be resolved: Name or service not known.'
    )


def test_a_refused_destination_is_said_so():
    look_up, _ = resolver('169.254.169.254')
    adapter = WebhookAdapter(DestinationPolicy(), resolver=look_up)
    outcome = perform(adapter, prepared('https://evil.example/'), 5)
    assert outcome.message == (
        'The address 169.254.169.254, which the host "evil.example" leads to, is a cloud '
        'metadata service; webhooks are not sent there unless its network is allowed '
        'by the setting webhooks.allowed_networks.'
    )
    assert not outcome.permanent


def test_no_time_to_connect_is_said_so():
    adapter = WebhookAdapter(LOOPBACK, connect_timeout=0.1)
    with HostileServer(lambda connection, server: server.stopping.wait(10)) as server:
        outcome = perform(adapter, prepared(server.tls_url), 5)
        assert outcome.message == (
            f'Connecting to 127.0.0.1:{server.port} took longer than 0.1 seconds.'
        )


def test_an_answer_that_is_none_is_said_so(any_adapter):
    def script(connection, server):
        server.read_request(connection)
        connection.sendall(b'SSH-2.0-OpenSSH_9.6\r\n')

    with HostileServer(script) as server:
        outcome = perform(any_adapter, prepared(server.url, b''), 5)
        assert f'What 127.0.0.1:{server.port} answered is not valid HTTP' in outcome.message


def test_no_answer_is_said_so(adapter):
    with HostileServer(lambda connection, server: server.read_request(connection)) as server:
        outcome = perform(adapter, prepared(server.url), 5)
        assert outcome.message == (
            f'127.0.0.1:{server.port} closed the connection without an answer.'
        )


def test_a_header_that_cannot_be_sent_is_permanent_and_not_shown(adapter, receiver):
    outcome = perform(adapter, prepared(receiver.url, headers={'X-A': 'secret\r\n'}), 5)
    assert outcome.permanent
    assert 'The header "X-A" cannot be sent' in outcome.message
    assert 'secret' not in repr(outcome)
    assert receiver.connections == 0


def test_a_header_error_of_another_adapter_is_permanent_and_not_quoted():
    error = requests.exceptions.InvalidHeader("Invalid character in header value: 'secret'")
    outcome = perform(raising(error), prepared('https://example.com/'), 5)
    assert outcome.permanent
    assert outcome.message == 'A header of the request cannot be sent.'
    assert 'secret' not in repr(outcome)


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (
            requests.exceptions.ConnectTimeout('long text'),
            'Connecting to example.com:443 took longer than 5 seconds.',
        ),
        (
            requests.exceptions.ReadTimeout('long text'),
            'The answer of example.com:443 was not complete within 5 seconds.',
        ),
        (
            requests.exceptions.ChunkedEncodingError('odd'),
            'What example.com:443 answered is not valid HTTP.',
        ),
        (
            ssl.SSLError(1, '[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert'),
            'TLS with example.com:443 failed: [ssl: tlsv1 alert protocol version] tlsv1 alert.',
        ),
        (
            OSError(101, os.strerror(101)),
            f'Connecting to example.com:443 failed: {os.strerror(101)}.',
        ),
        (KeyError('x'), "Sending to example.com:443 failed: KeyError: 'x'."),
        (RuntimeError('a\nb'), 'Sending to example.com:443 failed: RuntimeError: a b.'),
        (
            Wordless(),
            'Sending to example.com:443 failed: Wordless: its text cannot be had, for a '
            'ZeroDivisionError.',
        ),
        (ValueError(), 'Sending to example.com:443 failed: ValueError.'),
        (
            ExceptionGroup('two', [ValueError('a'), KeyError('b')]),
            'Sending to example.com:443 failed: ExceptionGroup: two (2 sub-exceptions).',
        ),
    ],
)
def test_any_exception_of_any_adapter_is_an_outcome(error, message):
    outcome = perform(raising(error), prepared('https://example.com/'), 5)
    assert outcome.message == message
    assert outcome.status is None
    assert outcome.exceptions


def test_exceptions_are_told_from_the_first_cause_to_the_last():
    error = RuntimeError('last')
    error.__cause__ = KeyError('middle')
    error.__cause__.__context__ = ValueError('first')
    outcome = perform(raising(error), prepared('https://example.com/'), 5)
    assert outcome.exceptions == ('ValueError: first', "KeyError: 'middle'", 'RuntimeError: last')


@pytest.mark.parametrize('url', [None, 5, 'nonsense', 'https://user:secret@example.com/'])
def test_a_request_without_a_usable_url_is_an_outcome(adapter, url):
    outcome = perform(adapter, prepared(url), 5)
    assert 'target URL' in outcome.message
    assert 'secret' not in repr(outcome)


def test_an_adapter_that_returns_nonsense_is_an_outcome():
    class Adapter(requests.adapters.BaseAdapter):
        def send(self, request, **options):
            return None

    outcome = perform(Adapter(), prepared('https://example.com/'), 5)
    assert outcome.message.startswith('Sending to example.com:443 failed: AttributeError')


def test_what_ends_the_process_is_not_held_up():
    with pytest.raises(KeyboardInterrupt):
        perform(raising(KeyboardInterrupt()), prepared('https://example.com/'), 5)
