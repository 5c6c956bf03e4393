import contextlib
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.delivery.target import parse_target
from pyramid_webhooks.interfaces import DestinationRefused


@pytest.mark.parametrize(
    ('url', 'host', 'port', 'path', 'host_header'),
    [
        ('https://Example.COM', 'example.com', 443, '/', 'example.com'),
        ('https://example.com:443/', 'example.com', 443, '/', 'example.com'),
        ('http://example.com:443/', 'example.com', 443, '/', 'example.com:443'),
        ('https://example.com:/x', 'example.com', 443, '/x', 'example.com'),
        ('https://example.com.:8443/a', 'example.com', 8443, '/a', 'example.com:8443'),
        ('https://example.com?a=b', 'example.com', 443, '/?a=b', 'example.com'),
        ('https://example.com/a#b', 'example.com', 443, '/a', 'example.com'),
        ('https://example.com/ä?ö=%20+', 'example.com', 443, '/%C3%A4?%C3%B6=%20+', 'example.com'),
        ('https://example.com//a/../b', 'example.com', 443, '//a/../b', 'example.com'),
        ('https://bücher.example/', 'xn--bcher-kva.example', 443, '/', 'xn--bcher-kva.example'),
        ('https://0x08080808/', '8.8.8.8', 443, '/', '8.8.8.8'),
        ('https://[2606:0::1]:444/', '2606::1', 444, '/', '[2606::1]:444'),
    ],
)
def test_a_url_is_taken_apart(url, host, port, path, host_header):
    target = parse_target(url)
    assert (target.host, target.port, target.path, target.host_header) == (
        host,
        port,
        path,
        host_header,
    )


def test_a_literal_address_is_told_from_a_name():
    assert str(parse_target('https://127.1/').address) == '127.0.0.1'
    assert parse_target('https://example.com/').address is None


def test_a_place_is_host_and_port():
    assert parse_target('https://example.com/').place == 'example.com:443'
    assert parse_target('https://[::1]/').place == '[::1]:443'


@given(st.text('0123456789abcdefxX.', max_size=16) | st.integers(0, 2**32 - 1).map(hex))
def test_what_the_system_takes_for_an_address_is_judged_as_that_address(host):
    """A host that would be connected to without a look-up must not pass for a name."""
    try:
        expected = str(ipaddress.IPv4Address(socket.inet_aton(host)))
    except OSError:
        return
    with contextlib.suppress(DestinationRefused):
        assert str(parse_target(f'https://{host}/').address) == expected


@given(st.text(max_size=30))
def test_any_host_is_ascii_and_the_same_when_it_is_parsed_again(host):
    try:
        target = parse_target(f'https://{host}/')
    except DestinationRefused:
        return
    assert target.host.isascii()
    again = parse_target(f'https://{target.host_header}/')
    assert (again.host, again.port, again.address) == (target.host, target.port, target.address)
