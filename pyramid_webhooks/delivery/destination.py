"""Which target URLs and addresses webhooks may be sent to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from zope.interface import implementer

from pyramid_webhooks.delivery.target import parse_target
from pyramid_webhooks.interfaces import DestinationRefused, IDestinationPolicy

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Networks that are nobody's public server, from the IANA special-purpose address registries
#: (RFC 6890 and its updates), with the reason that is given. The most telling comes first.
_FORBIDDEN: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), reason)
    for network, reason in (
        ('169.254.169.254/32', 'a cloud metadata service'),
        ('168.63.129.16/32', 'a cloud metadata service'),
        ('100.100.100.200/32', 'a cloud metadata service'),
        ('192.0.0.192/32', 'a cloud metadata service'),
        ('0.0.0.0/32', 'the unspecified address'),
        ('0.0.0.0/8', 'an address of "this network"'),
        ('10.0.0.0/8', 'a private address'),
        ('100.64.0.0/10', 'a shared address of a carrier'),
        ('127.0.0.0/8', 'a loopback address'),
        ('169.254.0.0/16', 'a link-local address'),
        ('172.16.0.0/12', 'a private address'),
        ('192.0.0.0/24', 'reserved for protocols'),
        ('192.0.2.0/24', 'reserved for documentation'),
        ('192.88.99.0/24', 'a 6to4 relay'),
        ('192.168.0.0/16', 'a private address'),
        ('198.18.0.0/15', 'reserved for benchmarks'),
        ('198.51.100.0/24', 'reserved for documentation'),
        ('203.0.113.0/24', 'reserved for documentation'),
        ('224.0.0.0/4', 'a multicast address'),
        ('255.255.255.255/32', 'the broadcast address'),
        ('240.0.0.0/4', 'a reserved address'),
        ('fd00:ec2::254/128', 'a cloud metadata service'),
        ('fd20:ce::254/128', 'a cloud metadata service'),
        ('::/128', 'the unspecified address'),
        ('::1/128', 'a loopback address'),
        ('::/96', 'an IPv4-compatible address'),
        ('::ffff:0:0/96', 'an IPv4-mapped address'),
        ('::ffff:0:0:0/96', 'an IPv4-translated address'),
        ('64:ff9b::/96', 'an address that NAT64 translates'),
        ('64:ff9b:1::/48', 'an address that NAT64 translates'),
        ('2001::/32', 'a Teredo address'),
        ('2001::/23', 'reserved for protocols'),
        ('2001:db8::/32', 'reserved for documentation'),
        ('2002::/16', 'a 6to4 address'),
        ('3fff::/20', 'reserved for documentation'),
        ('fc00::/7', 'a private address'),
        ('fe80::/10', 'a link-local address'),
        ('fec0::/10', 'a site-local address'),
        ('ff00::/8', 'a multicast address'),
    )
)
#: All of IPv6 that is given out for public use (RFC 4291, section 2.4, and IANA).
_GLOBAL_UNICAST = ipaddress.ip_network('2000::/3')


@implementer(IDestinationPolicy)
class DestinationPolicy:
    """Public https servers on the usual port, and whatever is allowed beyond that.

    :param allow_http: let ``http`` URLs through too, and port 80
    :param allowed_networks: networks (texts or :mod:`ipaddress` objects) to which the
        following may be sent although they are not public; there any port will do
    :param allowed_ports: the ports of all other addresses; by default 443, and 80 with
        ``allow_http``
    :raises ValueError: when a network or port is none
    """

    def __init__(
        self,
        allow_http: bool = False,
        allowed_networks: Iterable[str | Network] = (),
        allowed_ports: Iterable[int] | None = None,
    ) -> None:
        self.allow_http = allow_http
        self.allowed_networks = tuple(_read_network(network) for network in allowed_networks)
        if not allowed_ports:
            allowed_ports = (443, 80) if allow_http else (443,)
        self.allowed_ports = frozenset(_read_port(port) for port in allowed_ports)

    def check_url(self, url: str) -> None:
        """Judge form, scheme, port and a literal address; no name is looked up.

        The port of a name waits for :meth:`check_address` when there are allowed networks,
        as the name may lead into one.

        :raises DestinationRefused: with a sentence that says what and why
        """
        target = parse_target(url)
        if target.scheme != 'https' and not self.allow_http:
            raise DestinationRefused(
                f'The target URL for "{target.host}" has the scheme "{target.scheme}"; '
                'only "https" is allowed, unless the setting webhooks.allow_http is true.'
            )
        if target.address is not None:
            self._check(target.address, target.port, target.host)
        elif not self.allowed_networks:
            self._check_port(target.port, target.host)

    def check_address(self, address: str, port: int, host: str) -> None:
        """Judge the address that is about to be connected to.

        :param address: a literal IPv4 or IPv6 address
        :param host: the name or literal that led to it, for the message
        :raises DestinationRefused: with a sentence that says what and why
        """
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise DestinationRefused(
                f'The host "{host}" leads to "{address}", which is not an IP address.'
            ) from None
        self._check(parsed, port, host)

    def _check(self, address: Address, port: int, host: str) -> None:
        if any(address in network for network in self.allowed_networks):
            return
        reason = forbidden_reason(address)
        if reason is not None:
            what = f'The address {address}'
            if host != str(address):
                what += f', which the host "{host}" leads to,'
            raise DestinationRefused(
                f'{what} is {reason}; webhooks are not sent there unless its network is allowed '
                'by the setting webhooks.allowed_networks.'
            )
        self._check_port(port, host)

    def _check_port(self, port: int, host: str) -> None:
        if port not in self.allowed_ports:
            allowed = ', '.join(map(str, sorted(self.allowed_ports)))
            raise DestinationRefused(
                f'The port {port} of "{host}" is not allowed; allowed are: {allowed} '
                '(the setting webhooks.allowed_ports).'
            )


def forbidden_reason(address: Address) -> str | None:
    """Say what makes an address one that is not public, or None for a public one."""
    for network, reason in _FORBIDDEN:
        if address in network:
            return reason
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return 'a reserved address'
    if not address.is_global:
        return 'not a public address'
    return None


def _read_network(network: str | Network) -> Network:
    try:
        return ipaddress.ip_network(network)
    except (ValueError, TypeError) as error:
        raise ValueError(f'The allowed network {network!r} is none: {error}.') from None


def _read_port(port: int) -> int:
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError(f'The allowed port {port!r} is not a number from 1 to 65535.')
    return port
