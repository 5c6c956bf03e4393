"""A target URL taken apart, once, the same way for judging it and for connecting to it."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
import urllib.parse

import idna

from pyramid_webhooks.interfaces import DestinationRefused

DEFAULT_PORTS = {'http': 80, 'https': 443}

#: Longest URL that is taken, in characters.
MAX_URL = 2048

#: A name has 253 at most, and what becomes one is hardly longer.
_MAX_HOST = 255
_LABEL = re.compile(r'[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?')
_NUMBER = re.compile(r'[0-9]+|0x[0-9a-f]*')
_PORT = re.compile(r'[0-9]{1,5}')
_SAFE_IN_TARGET = "!#$%&'()*+,/:;=?@[]~"


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads.

    ``host`` is lower case ASCII without brackets or a final dot; a literal address is in its
    canonical form there, and in ``address`` (None for a name). ``path`` is what goes on the
    request line, ``host_header`` what goes into ``Host``.
    """

    scheme: str
    host: str
    port: int
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
    path: str
    host_header: str

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f'[{self.host}]:{self.port}' if ':' in self.host else f'{self.host}:{self.port}'


def parse_target(url: str) -> Target:
    """Take a URL apart.

    IPv4 addresses are recognized in every spelling that a resolver would take for one: short,
    decimal, octal, hexadecimal.

    :raises DestinationRefused: when it is not the absolute http(s) URL of a host
    """
    if not isinstance(url, str):
        raise DestinationRefused(
            f'A target URL is a text such as "https://example.com/hook", not {url!r}.'
        )
    if len(url) > MAX_URL:
        raise DestinationRefused(
            f'The target URL has {len(url)} characters; at most {MAX_URL} are taken.'
        )
    return _parse(url)


@functools.lru_cache(maxsize=1024)
def _parse(url: str) -> Target:
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise DestinationRefused(f'The target URL {_shown(url)} is malformed: {error}.') from None
    if '@' in parts.netloc:
        raise DestinationRefused(
            f'The target URL {_shown(url)} has a user name or password in it; '
            'put credentials into a header instead.'
        )
    # urlsplit drops some of these silently, so it is the text itself that is looked at.
    for character in url:
        if character.isspace() or character == '\\' or not character.isprintable():
            raise DestinationRefused(
                f'The target URL {_shown(url)} has the character {character!r} in it; '
                'percent-encode it or leave it out.'
            )
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise DestinationRefused(
            f'The target URL {_shown(url)} does not begin with "https://".'
            if not scheme
            else f'The target URL {_shown(url)} has the scheme "{scheme}"; "https" is wanted.'
        )
    host, port = _split_netloc(parts.netloc, url)
    address, host = _read_host(host, url)
    port = DEFAULT_PORTS[scheme] if port is None else port
    shown_host = f'[{host}]' if ':' in host else host
    return Target(
        scheme=scheme,
        host=host,
        port=port,
        address=address,
        path=_request_target(parts),
        host_header=shown_host if port == DEFAULT_PORTS[scheme] else f'{shown_host}:{port}',
    )


def _split_netloc(netloc: str, url: str) -> tuple[str, int | None]:
    if netloc.startswith('['):
        host, _, rest = netloc.partition(']')
        host += ']'
        if rest and not rest.startswith(':'):
            raise DestinationRefused(f'The target URL {_shown(url)} has no valid host.')
        port = rest[1:]
    else:
        host, _, port = netloc.partition(':')
    if not host:
        raise DestinationRefused(f'The target URL {_shown(url)} has no host.')
    if not port:
        return host, None
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise DestinationRefused(
            f'The target URL {_shown(url)} has the port "{port}"; '
            'a port is a number from 1 to 65535.'
        )
    return host, int(port)


def _read_host(
    host: str, url: str
) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address | None, str]:
    if host.startswith('['):
        try:
            if '%' in host:
                raise ValueError('it has a zone')
            address: ipaddress.IPv4Address | ipaddress.IPv6Address
            address = ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise DestinationRefused(
                f'The host "{host}" of the target URL is not a plain IPv6 address.'
            ) from None
        return address, str(address)
    if len(host) > _MAX_HOST:
        raise DestinationRefused(
            f'The host of the target URL {_shown(url)} is not a valid name: it has more than '
            f'{_MAX_HOST} characters.'
        )
    name = host
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True, std3_rules=True).decode('ascii')
        except UnicodeError as error:
            raise DestinationRefused(
                f'The host "{host}" of the target URL is not a valid international name: {error}.'
            ) from None
    name = name.lower().removesuffix('.')
    labels = name.split('.')
    if _NUMBER.fullmatch(labels[-1]):
        address = _read_ipv4(labels, host)
        return address, str(address)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise DestinationRefused(f'The host "{host}" of the target URL is not a valid name.')
    return None, name


def _read_ipv4(labels: list[str], host: str) -> ipaddress.IPv4Address:
    """Read an IPv4 address as ``inet_aton`` does: 1 to 4 numbers, the last filling the rest."""
    try:
        if len(labels) > 4:
            raise ValueError('too many numbers')
        *first, last = (_read_number(label) for label in labels)
        if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
            raise ValueError('a number is too large')
    except ValueError:
        raise DestinationRefused(
            f'The host "{host}" of the target URL ends in a number but is not an IPv4 address.'
        ) from None
    value = last
    for position, number in enumerate(first):
        value += number << (8 * (3 - position))
    return ipaddress.IPv4Address(value)


def _read_number(label: str) -> int:
    if not _NUMBER.fullmatch(label):
        raise ValueError(label)
    if label.startswith('0x'):
        return int(label[2:] or '0', 16)
    if label.startswith('0') and len(label) > 1:
        return int(label, 8)
    return int(label)


def _request_target(parts: urllib.parse.SplitResult) -> str:
    target = parts.path or '/'
    if parts.query:
        target += '?' + parts.query
    # What is percent-encoded already stays as it is.
    return urllib.parse.quote(target, safe=_SAFE_IN_TARGET)


def _shown(url: str) -> str:
    """Return the URL for a message: no credentials, no unprintable characters, not long."""
    scheme, slashes, rest = url.partition('//')
    authority = re.match(r'[^/?#]*', rest)
    end = authority.end() if authority else 0
    if '@' in rest[:end]:
        rest = '…@' + rest[:end].rpartition('@')[2] + rest[end:]
    elif '@' in url and not slashes:
        scheme, rest = '…@' + url.rpartition('@')[2], ''
    return ascii(scheme + slashes + rest)[:200].replace('\\u2026', '…')
