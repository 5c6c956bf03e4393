import socket
import threading
import time

import pytest

from pyramid_webhooks.delivery import resolver as resolver_module
from pyramid_webhooks.delivery.resolver import Resolver


@pytest.fixture
def stuck():
    """A look-up that does not end before the test, and how often it was asked."""
    ending = threading.Event()
    asked = []

    def look_up(host, port, type):
        asked.append(host)
        ending.wait(20)
        return [(socket.AF_INET, type, 6, '', ('192.0.2.1', port))]

    look_up.asked = asked
    look_up.ending = ending
    yield look_up
    ending.set()


def soon(seconds=5):
    return time.monotonic() + seconds


def test_the_system_s_addresses_of_a_name_are_returned_once_each_with_the_port():
    found = Resolver().candidates('localhost', 8080, soon())
    assert (socket.AF_INET, ('127.0.0.1', 8080)) in found
    assert len(set(found)) == len(found)


def test_the_port_asked_for_is_kept_whatever_the_look_up_says():
    def look_up(host, port, type):
        return [
            (socket.AF_INET, type, 6, '', ('192.0.2.1', 22)),
            (socket.AF_INET6, type, 6, '', ('2001:db8::1', 22, 0, 3)),
            (socket.AF_UNIX, type, 0, '', ('/tmp/socket',)),
        ]

    assert Resolver(look_up).candidates('example.com', 443, soon()) == [
        (socket.AF_INET, ('192.0.2.1', 443)),
        (socket.AF_INET6, ('2001:db8::1', 443, 0, 3)),
    ]


def test_of_thousands_of_addresses_only_some_are_taken():
    def look_up(host, port, type):
        return [
            (socket.AF_INET, type, 6, '', (f'192.0.{n // 256}.{n % 256}', 1)) for n in range(9999)
        ]

    found = Resolver(look_up).candidates('example.com', 443, soon())
    assert [address[0] for _, address in found] == [f'192.0.0.{n}' for n in range(16)]


@pytest.mark.parametrize(
    'error', [socket.gaierror(socket.EAI_NONAME, 'unknown'), UnicodeError('label'), ValueError()]
)
def test_a_failed_look_up_is_an_address_error(error):
    def look_up(host, port, type):
        raise error

    with pytest.raises(socket.gaierror):
        Resolver(look_up).candidates('example.com', 443, soon())


def test_no_address_is_an_address_error():
    with pytest.raises(socket.gaierror, match='no addresses'):
        Resolver(lambda host, port, type: []).candidates('example.com', 443, soon())


def test_a_look_up_that_takes_too_long_is_left(stuck):
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        Resolver(stuck).candidates('slow.example', 443, soon(0.1))
    assert time.monotonic() - started < 5


def test_look_ups_of_the_same_name_share_one(stuck):
    resolver = Resolver(stuck)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            resolver.candidates('slow.example', 443, soon(0.02))
    assert stuck.asked == ['slow.example']
    stuck.ending.set()
    assert resolver.candidates('slow.example', 443, soon())


def test_a_slow_name_does_not_delay_another(stuck):
    def look_up(host, port, type):
        if host == 'slow.example':
            return stuck(host, port, type)
        return [(socket.AF_INET, type, 6, '', ('192.0.2.2', port))]

    resolver = Resolver(look_up)
    with pytest.raises(TimeoutError):
        resolver.candidates('slow.example', 443, soon(0.02))
    assert resolver.candidates('fast.example', 443, soon())


def test_look_ups_under_way_are_bounded(stuck, monkeypatch):
    monkeypatch.setattr(resolver_module, 'MAX_LOOKUPS', 3)
    resolver = Resolver(stuck)
    for number in range(3):
        with pytest.raises(TimeoutError):
            resolver.candidates(f'{number}.example', 443, soon(0.01))
    with pytest.raises(socket.gaierror, match='3 other look-ups are under way'):
        resolver.candidates('4.example', 443, soon())


# --- what a name had before ----------------------------------------------------------------


class System:
    """A system that looks up names, until it does not."""

    def __init__(self):
        self.addresses = ['192.0.2.1']
        self.error = None
        self.ending = threading.Event()
        self.ending.set()

    def __call__(self, host, port, type):
        self.ending.wait(20)
        if self.error:
            raise self.error
        return [(socket.AF_INET, type, 6, '', (each, 1)) for each in self.addresses]


@pytest.fixture
def system():
    system = System()
    yield system
    system.ending.set()


def test_what_a_name_had_before_is_used_where_the_system_is_slow(system):
    resolver = Resolver(system)
    first = resolver.candidates('example.com', 443, soon())
    system.ending.clear()
    started = time.monotonic()
    assert resolver.candidates('example.com', 443, soon(1)) == first
    assert 0.4 < time.monotonic() - started < 1
    with pytest.raises(TimeoutError):
        resolver.candidates('example.com', 8443, soon(0.05))


def test_it_is_used_where_too_many_look_ups_are_under_way(system, monkeypatch):
    resolver = Resolver(system)
    first = resolver.candidates('example.com', 443, soon())
    monkeypatch.setattr(resolver_module, 'MAX_LOOKUPS', 0)
    assert resolver.candidates('example.com', 443, soon()) == first
    with pytest.raises(socket.gaierror):
        resolver.candidates('other.example', 443, soon())


def test_it_is_used_where_the_system_says_try_again_but_not_where_it_says_no(system):
    resolver = Resolver(system)
    first = resolver.candidates('example.com', 443, soon())
    system.error = socket.gaierror(socket.EAI_AGAIN, 'again')
    assert resolver.candidates('example.com', 443, soon()) == first
    system.error = socket.gaierror(socket.EAI_NONAME, 'unknown')
    for _ in range(2):
        with pytest.raises(socket.gaierror, match='unknown'):
            resolver.candidates('example.com', 443, soon())
    system.error = socket.gaierror(socket.EAI_AGAIN, 'again')
    with pytest.raises(socket.gaierror, match='again'):
        resolver.candidates('example.com', 443, soon())


def test_a_system_that_answers_is_always_believed(system):
    resolver = Resolver(system)
    resolver.candidates('example.com', 443, soon())
    system.addresses = ['192.0.2.2']
    found = resolver.candidates('example.com', 443, soon())
    assert found == [(socket.AF_INET, ('192.0.2.2', 443))]


def test_what_a_name_had_long_ago_is_forgotten(system, monkeypatch):
    monkeypatch.setattr(resolver_module, 'MAX_KNOWN', 2)
    resolver = Resolver(system, max_age=-1)
    for number in range(3):
        resolver.candidates(f'{number}.example', 443, soon())
    assert len(resolver._known) == 2
    system.error = socket.gaierror(socket.EAI_AGAIN, 'again')
    with pytest.raises(socket.gaierror, match='again'):
        resolver.candidates('2.example', 443, soon())
