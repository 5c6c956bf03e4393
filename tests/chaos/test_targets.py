"""Where webhooks may go, through the whole application: made over REST, and connected to."""

import contextlib
import ipaddress
import ssl

import pytest

from pyramid_webhooks.delivery.destination import DestinationPolicy
from pyramid_webhooks.delivery.target import parse_target
from pyramid_webhooks.delivery.transport import WebhookAdapter
from pyramid_webhooks.interfaces import DestinationRefused
from pyramid_webhooks.testing import Receiver
from pyramid_webhooks.testing.certificates import make_certificates
from tests.chaos.site import Site
from tests.chaos.targets import HOSTILE_ADDRESSES, HOSTILE_URLS, LEGITIMATE, SETTINGS
from tests.chaos.tripwire import Tripwire
from tests.delivery.hostile_server import HostileServer
from tests.delivery.sending import prepared

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'


def never_look_up(name):
    raise AssertionError(f'{name} was looked up')


@pytest.fixture(scope='module')
def strict_site(tmp_path_factory):
    with Site(tmp_path_factory.mktemp('strict'), never_look_up, **SETTINGS) as site:
        yield site


@pytest.mark.parametrize(('url', 'reason'), HOSTILE_URLS.items(), ids=map(ascii, HOSTILE_URLS))
def test_a_hostile_url_is_refused_when_the_subscription_is_made(strict_site, url, reason):
    with Tripwire() as tripwire:
        answer = strict_site.subscribe(url, status=400)
    [error] = answer['errors']
    assert (error['location'], error['name']) == ('body', 'to')
    assert reason in error['description']
    assert error['description'].isprintable()
    assert tripwire.connected == tripwire.looked_up == []


@pytest.mark.parametrize('url', HOSTILE_URLS, ids=map(ascii, HOSTILE_URLS))
def test_a_hostile_url_is_refused_when_it_is_sent_to(url):
    policy = DestinationPolicy(allowed_ports=[443, 8443])
    adapter = WebhookAdapter(policy, resolver=lambda host, port, type: never_look_up(host))
    with Tripwire() as tripwire, pytest.raises(DestinationRefused):
        adapter.send(prepared(url))
    assert tripwire.connected == []


SOME = [*HOSTILE_URLS][::9]


@pytest.mark.parametrize('url', SOME, ids=map(ascii, SOME))
def test_a_hostile_url_is_refused_in_every_way_to_name_a_target(strict_site, url):
    made = strict_site.subscribe('https://example.com/')
    changed = strict_site.request('PATCH', made['url'], {'to': url})
    subscribed = strict_site.request(
        'POST', '/docs/leaf/__webhooks__/events/document.added', {'to': url}
    )
    for answer in (changed, subscribed):
        assert answer.status_int == 400
        assert [error['name'] for error in answer.json['errors']] == ['to']


@pytest.fixture(scope='module')
def by_name(tmp_path_factory):
    """What became of a delivery to each hostile address, by a name that leads there."""
    names = {f'host{number}.example': each for number, each in enumerate(HOSTILE_ADDRESSES)}
    folder = tmp_path_factory.mktemp('by_name')
    with Site(folder, lambda name: [names[name]], **SETTINGS) as site:
        with Tripwire() as tripwire:
            made = {names[name]: site.subscribe(f'https://{name}/') for name in names}
            assert tripwire.looked_up == []
            site.fire()
        assert tripwire.connected == []
        yield {address: site.attempts(each) for address, each in made.items()}


@pytest.mark.parametrize(('address', 'reason'), HOSTILE_ADDRESSES.items())
def test_a_name_that_leads_to_a_hostile_address_is_not_connected_to(by_name, address, reason):
    [attempt] = by_name[address]
    assert (attempt['status'], attempt['response']) == ('failed', None)
    assert reason in attempt['message']
    with contextlib.suppress(ValueError):
        address = str(ipaddress.ip_address(address))
    assert address in attempt['message']


@pytest.mark.parametrize('address', HOSTILE_ADDRESSES)
def test_behind_a_proxy_the_name_is_judged_all_the_same(address):
    with HostileServer(lambda connection, server: None) as proxy:
        adapter = WebhookAdapter(
            DestinationPolicy(),
            proxy=proxy.url,
            resolver=lambda host, port, type: [(2, type, 6, '', (address, 1))],
        )
        with pytest.raises(DestinationRefused):
            adapter.send(prepared('https://host.example/'))
        assert proxy.connections == 0


# --- rebinding -----------------------------------------------------------------------------


class Rebinding:
    """A name whose addresses are others each time that it is looked up."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, name):
        return self.answers.pop(0)


@pytest.fixture
def victim():
    with Receiver(host='127.0.0.2') as victim:
        yield victim


@pytest.fixture
def decoy(victim):
    """An allowed receiver on the same port as one that is not."""
    with Receiver(host='127.0.0.1', port=victim.port) as decoy:
        yield decoy


def rebound_site(path, look_up):
    return Site(
        path,
        look_up,
        **{'webhooks.allow_http': 'true', 'webhooks.allowed_networks': '127.0.0.1/32'},
    )


def test_a_name_that_is_rebound_after_it_was_judged_leads_nowhere_else(tmp_path, victim, decoy):
    look_up = Rebinding(['127.0.0.1'], ['127.0.0.2'], ['127.0.0.2'])
    with rebound_site(tmp_path, look_up) as site, Tripwire() as tripwire:
        made = site.subscribe(f'http://rebinding.example:{victim.port}/')
        site.fire()
        # The connection is kept: nothing is looked up again.
        site.fire()
        assert len(look_up.answers) == 2
        site.close_connections()
        site.fire()
        assert [each['status'] for each in site.attempts(made)] == [
            'successful',
            'successful',
            'failed',
        ]
        assert (
            '127.0.0.2, which the host "rebinding.example" leads to, is a loopback'
            in (site.attempts(made)[2]['message'])
        )
    assert len(decoy.requests) == 2
    assert victim.connections == 0
    assert tripwire.connected == [('127.0.0.1', victim.port)]
    assert tripwire.looked_up == []


def test_a_name_that_is_rebound_between_the_tries_of_a_closing_receiver_is_refused(
    tmp_path, victim, decoy
):
    """A kept connection that was closed makes a second one, with a look-up of its own."""
    look_up = Rebinding(['127.0.0.1'], ['127.0.0.2'])
    with rebound_site(tmp_path, look_up) as site:
        made = site.subscribe(f'http://rebinding.example:{victim.port}/')
        site.fire()
        decoy.stop()
        site.fire()
        assert [each['status'] for each in site.attempts(made)] == ['successful', 'failed']
    assert victim.connections == 0


@pytest.mark.parametrize(
    'answer',
    [
        ['127.0.0.2', '127.0.0.1'],
        ['::ffff:127.0.0.2', '::1', '127.0.0.2', '127.0.0.1'],
        ['127.0.0.1', '127.0.0.2'],
    ],
)
def test_of_an_answer_that_mixes_addresses_only_the_allowed_is_used(
    tmp_path, victim, decoy, answer
):
    with rebound_site(tmp_path, Rebinding(answer)) as site, Tripwire() as tripwire:
        site.subscribe(f'http://mixed.example:{victim.port}/')
        site.fire()
    assert len(decoy.requests) == 1
    assert tripwire.connected == [('127.0.0.1', victim.port)]


def test_an_allowed_address_that_does_not_answer_is_not_replaced_by_a_forbidden_one(
    tmp_path, victim
):
    look_up = Rebinding(['127.0.0.1', '127.0.0.2'])
    with rebound_site(tmp_path, look_up) as site:
        made = site.subscribe(f'http://mixed.example:{victim.port}/')
        site.fire()
        [attempt] = site.attempts(made)
        assert attempt['message'] == f'mixed.example:{victim.port} refused the connection.'
    assert victim.connections == 0


# --- what is allowed -----------------------------------------------------------------------


class PublicInternet(HostileServer):
    """A proxy, behind which is every server of the world; it notes where requests were to go."""

    def __init__(self, context):
        super().__init__(self._forward)
        self._context = context
        self.arrived = []

    def _forward(self, connection, server):
        place = self.read_request(connection).split()[1].decode()
        connection.sendall(b'HTTP/1.1 200 Connection established\r\n\r\n')
        with self._context.wrap_socket(connection, server_side=True) as secure:
            if self.read_request(secure):
                self.arrived.append(place)
                secure.sendall(OK)


@pytest.fixture(scope='module')
def reached(tmp_path_factory):
    """The place that the proxy was told, and the attempt, for each legitimate target."""
    folder = tmp_path_factory.mktemp('legitimate')
    targets = {url: parse_target(url) for url in LEGITIMATE}
    make_certificates(folder, tuple({target.host for target in targets.values()}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / 'server.pem', folder / 'server.key')
    addresses = {targets[url].host: address for url, address in LEGITIMATE.items()}
    with PublicInternet(context) as internet:
        settings = {
            **SETTINGS,
            'webhooks.proxy': internet.url,
            'webhooks.ca_bundle': str(folder / 'ca.pem'),
        }
        with Site(folder, lambda name: [addresses[name]], **settings) as site:
            made = {url: site.subscribe(url) for url in LEGITIMATE}
            site.fire()
            yield internet.arrived, {url: site.attempts(each) for url, each in made.items()}


@pytest.mark.parametrize(('url', 'address'), LEGITIMATE.items(), ids=map(ascii, LEGITIMATE))
def test_a_legitimate_target_is_accepted_and_reached_at_its_address(reached, url, address):
    arrived, attempts = reached
    [attempt] = attempts[url]
    assert (attempt['status'], attempt['message']) == ('successful', '200 OK')
    target = parse_target(url)
    address = address or target.host
    shown = f'[{address}]' if ':' in address else address
    assert f'{shown}:{target.port}' in arrived


def test_there_are_enough_of_them():
    assert len(HOSTILE_URLS) + len(HOSTILE_ADDRESSES) >= 80
    assert len(LEGITIMATE) >= 20
