"""Hostile receivers, through the whole application: all ends in time, and says what it was."""

import contextlib
import datetime
import re
import socket
import threading
import time

import pytest

from pyramid_webhooks.delivery import resolver
from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.testing import Answer, Receiver
from tests.chaos.hostile_modes import MODES, NOT_CONNECTED, is_said
from tests.chaos.hostile_receivers import HostileReceivers
from tests.chaos.hostile_round import SETTINGS, TIMEOUT, attempt_all, attempt_all_in_greenlets
from tests.chaos.site import Site
from tests.chaos.tripwire import Tripwire
from tests.company import wait_until
from tests.delivery.hostile_server import HostileServer


@pytest.fixture(scope='module')
def receivers():
    with HostileReceivers() as receivers:
        yield receivers


def seconds(attempt):
    """How long an attempt took, from the commit until it was resolved."""
    times = (attempt['created'], attempt['resolved_at'])
    created, resolved = map(datetime.datetime.fromisoformat, times)
    return (resolved - created).total_seconds()


@pytest.fixture(scope='module', params=[attempt_all, attempt_all_in_greenlets])
def attempts(request, receivers, tmp_path_factory):
    """What became of a delivery to each mode, all of them at once."""
    if request.param is attempt_all_in_greenlets:
        pytest.importorskip('gevent')
    return request.param(tmp_path_factory.mktemp('site'), receivers.urls, receivers.ca_bundle)


@pytest.mark.parametrize('name', MODES)
def test_every_mode_ends_in_time_and_the_attempt_says_what_happened(attempts, receivers, name):
    mode = MODES[name]
    attempt = attempts[name]
    assert is_said(attempt['message'], mode, receivers.urls[name].split('/')[2])
    assert attempt['message'].isprintable()
    assert attempt['status'] == ('successful' if attempt['message'][0] == '2' else 'failed')
    assert seconds(attempt) < TIMEOUT + 1
    response = attempt['response']
    if response is not None:
        assert response['truncated'] == mode.truncated
        assert len(response['content']) <= 16 * 1024
        assert len(str(response['headers'])) < 20 * 1024


# --- names ---------------------------------------------------------------------------------


@contextlib.contextmanager
def nobody_accepts(port, *hosts):
    """Let connections to this port of these hosts be neither accepted nor refused."""
    with contextlib.ExitStack() as stack:
        for host in hosts:
            listener = stack.enter_context(socket.socket())
            listener.bind((host, port))
            listener.listen(0)
            # A full backlog makes the kernel drop what comes next.
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((host, port))
        yield


class Names:
    """Names that make trouble."""

    def __init__(self):
        self.ending = threading.Event()
        self.slow = 0

    def __call__(self, name):
        kind = name.partition('.')[0]
        if kind == 'slow':
            self.slow += 1
            self.ending.wait(30)
        elif kind == 'unknown':
            raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')
        elif kind == 'broken':
            raise UnicodeError('label empty or too long')
        elif kind == 'thousands':
            return [f'127.1.{number // 256}.{number % 256}' for number in range(4000)]
        elif kind == 'blackholes':
            return BLACKHOLES
        elif kind == 'mixed':
            return [*BLACKHOLES, '127.0.0.1']
        elif kind == 'good':
            return ['127.0.0.1']
        elif kind == 'nonsense':
            return ['evil.example']
        return []


BLACKHOLES = [f'127.0.0.{number}' for number in range(11, 18)]
NAMES = {
    'slow': NOT_CONNECTED,
    'unknown': 'The host name "unknown.example" could not be resolved: Name or service not known.',
    'broken': 'The host name "broken.example" could not be resolved: '
    'UnicodeError: label empty or too long.',
    'nothing': 'The host name "nothing.example" could not be resolved: the name has no addresses.',
    'thousands': '{place} refused the connection.',
    'blackholes': NOT_CONNECTED,
    'nonsense': 'The host "nonsense.example" leads to "evil.example", which is not an IP address.',
    'mixed': '200 OK',
}


def test_every_trouble_with_a_name_ends_in_time_and_the_attempt_says_so(tmp_path):
    names = Names()
    with (
        Receiver() as receiver,
        nobody_accepts(port := receiver.port, *BLACKHOLES),
        Site(tmp_path, names, **SETTINGS) as site,
        Tripwire() as tripwire,
    ):
        made = {name: site.subscribe(f'http://{name}.example:{port}/') for name in NAMES}
        site.fire()
        names.ending.set()
        for name, message in NAMES.items():
            [attempt] = site.attempts(made[name])
            place = f'{name}.example:{port}'
            said = re.fullmatch(message.replace('{place}', re.escape(place)), attempt['message'])
            assert said, (name, attempt['message'])
            assert seconds(attempt) < TIMEOUT + 1
    # Whoever owns a name can't have a network scanned.
    assert sum(address[0].startswith('127.1.') for address in tripwire.connected) == 16


def test_names_that_are_slow_to_look_up_hold_up_nobody_who_was_reached_before(
    tmp_path, receiver, monkeypatch
):
    monkeypatch.setattr(resolver, 'MAX_LOOKUPS', 5)
    names = Names()
    settings = {'webhooks.connect_timeout': '2', 'webhooks.timeout': '4'}
    with Site(tmp_path, names, **settings) as site:
        good = site.subscribe(f'http://good.example:{receiver.port}/')
        site.fire()
        for number in range(10):
            site.subscribe(f'http://slow.{number}.example:{receiver.port}/')
        site.fire(wait=False)
        receiver.wait_for(2, timeout=5)
        wait_until(lambda: names.slow == 5)
        site.close_connections()
        site.fire(wait=False)
        receiver.wait_for(3, timeout=5)
        names.ending.set()
        site.settle()
        assert [each['status'] for each in site.attempts(good)] == ['successful'] * 3


# --- connections that are kept -------------------------------------------------------------


def test_a_receiver_that_closes_idle_connections_causes_no_failures(tmp_path):
    """It closes after each answer without having said so, and so does every second a bit later."""
    received = []

    def script(connection, server):
        request = server.read_request(connection)
        if request:
            received.append(request)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
            if server.connections % 2:
                server.stopping.wait(0.002)

    settings = {'webhooks.concurrency_per_subscription': '1'}
    with HostileServer(script) as server, Site(tmp_path, lambda name: [], **settings) as site:
        made = site.subscribe(server.url)
        for _ in range(40):
            site.fire()
        attempts = site.attempts(made)
        assert [each['status'] for each in attempts] == ['successful'] * 40
    # What was never read has not been received twice.
    assert len(received) == 40


def test_a_request_that_was_cut_off_is_sent_again_under_the_same_id_only(tmp_path):
    """A kept connection that ends without a byte may have ended before the request was read."""
    ids = []

    def script(connection, server):
        answers = 1 if server.connections == 1 else 9
        while request := server.read_request(connection):
            ids.append(re.search(rb'webhook-id: (\S+)', request).group(1))
            if not answers:
                return
            answers -= 1
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')

    with HostileServer(script) as server, Site(tmp_path, lambda name: []) as site:
        made = site.subscribe(server.url)
        site.fire()
        site.fire()
        assert [each['status'] for each in site.attempts(made)] == ['successful'] * 2
    assert len(ids) == 3
    assert ids[1] == ids[2] != ids[0]


def test_a_cookie_is_not_sent_back_and_a_redirect_is_not_followed(tmp_path, receiver):
    receiver.answer(lambda request: Answer(307, {'Set-Cookie': 'a=b', 'Location': receiver.url}))
    with Site(tmp_path, lambda name: []) as site:
        made = site.subscribe(receiver.url)
        site.fire()
        site.fire()
        assert [each['message'] for each in site.attempts(made)] == ['307 Temporary Redirect'] * 2
    assert len(receiver.requests) == 2
    assert not any('Cookie' in request.headers for request in receiver.requests)


def test_the_environment_s_proxies_and_netrc_are_not_looked_at(tmp_path, receiver, monkeypatch):
    netrc = tmp_path / 'netrc'
    netrc.write_text('default login a password b\n')
    monkeypatch.setenv('NETRC', str(netrc))
    with Receiver() as proxy, Site(tmp_path, lambda name: []) as site:
        for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'):
            monkeypatch.setenv(name, proxy.url)
        site.subscribe(receiver.url)
        site.fire()
        assert proxy.connections == 0
    assert 'Authorization' not in receiver.requests[0].headers


def test_hostile_receivers_hold_up_nobody_else(receivers, tmp_path, receiver):
    """With as few slots as there are by default, while all modes are at work."""
    settings = {
        'webhooks.timeout': '1',
        'webhooks.connect_timeout': '1',
        'webhooks.ca_bundle': receivers.ca_bundle,
    }
    with Site(tmp_path, lambda name: [], **settings) as site:
        site.subscribe(receiver.url)
        site.fire()
        for url in receivers.urls.values():
            site.subscribe(url)
        started = time.monotonic()
        firing = threading.Thread(target=site.fire)
        firing.start()
        receiver.wait_for(2, timeout=10)
        assert time.monotonic() - started < 1
        firing.join(timeout=40)


def test_a_header_that_cannot_be_sent_fails_once_and_clearly(make_company, receiver):
    class Breaking(Dialect):
        def headers(self, outgoing):
            return {'X-Event': outgoing.event, 'X-Broken': 'a\r\nX-Injected: b'}

    class Smuggling(Dialect):
        def headers(self, outgoing):
            return {'Transfer-Encoding': 'chunked'}

    def setup(config):
        config.add_webhook_dialect('breaking', Breaking)
        config.add_webhook_dialect('smuggling', Smuggling)

    company = make_company(setup=setup)
    for dialect in ('breaking', 'smuggling'):
        company.subscribe('/', receiver.url, dialect=dialect)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert sorted(each[:3] for each in company.attempts('/')) == [
        (
            'failed',
            1,
            'The header "Transfer-Encoding" cannot be sent: it is for the transport to set.',
        ),
        (
            'failed',
            1,
            'The header "X-Broken" cannot be sent: its value has a line break or another control '
            'character in it.',
        ),
    ]
    assert receiver.connections == 0
