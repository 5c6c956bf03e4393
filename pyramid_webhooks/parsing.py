"""Reading the values of settings: ini text, or Python values already.

Each function raises ValueError with the end of a sentence that begins with the setting.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import urllib.parse
from collections.abc import Callable
from typing import Any

from pyramid.settings import aslist

_DURATION = re.compile(r'([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)?\Z')
_DURATION_UNITS = {None: 1.0, 'ms': 0.001, 's': 1.0, 'm': 60.0, 'h': 3600.0, 'd': 86400.0}
_LONGEST = 3650 * 86400.0
_SIZE = re.compile(r'([0-9]+)\s*(B|KB|KiB|MB|MiB)?\Z', re.IGNORECASE)
_SIZE_UNITS = {None: 1, 'b': 1, 'kb': 1000, 'kib': 1024, 'mb': 1000**2, 'mib': 1024**2}
_KEY_LENGTH = 32
_TRUE = frozenset(('true', 'yes', 'on', 'y', 't', '1'))
_FALSE = frozenset(('false', 'no', 'off', 'n', 'f', '0', ''))


def parse_duration(value: Any) -> float:
    """Seconds from ``5``, ``0.5s``, ``30m``, ``2h``, ``1d`` or a number."""
    match = None if isinstance(value, bool) else _DURATION.match(str(value).strip())
    if match is None:
        raise ValueError('is not a duration such as 5s, 30m, 2h or 1d')
    seconds = float(match.group(1)) * _DURATION_UNITS[match.group(2)]
    if seconds > _LONGEST:
        raise ValueError('is longer than 3650d, the longest duration')
    return seconds


def parse_size(value: Any) -> int:
    """Bytes from ``16384``, ``16KiB`` or ``1MB``."""
    match = None if isinstance(value, bool) else _SIZE.match(str(value).strip())
    if match is None:
        raise ValueError('is not a size such as 16KiB, 1MB or a number of bytes')
    unit = match.group(2)
    return int(match.group(1)) * _SIZE_UNITS[unit and unit.lower()]


def positive(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same as ``parse``, but without 0."""

    def parse_positive(value: Any) -> Any:
        result = parse(value)
        if result <= 0:
            raise ValueError('must be greater than 0')
        return result

    return parse_positive


def parse_count(value: Any) -> int:
    """A whole number, 0 included."""
    if isinstance(value, bool) or not re.fullmatch(r'[0-9]{1,18}', str(value).strip()):
        raise ValueError('is not a whole number')
    return int(value)


def parse_boolean(value: Any) -> bool:
    """True or false, in the words that Pyramid takes."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ValueError('is neither true nor false')
    return text in _TRUE


def parse_words(value: Any) -> tuple[str, ...]:
    """Words separated by spaces, lines or commas."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(str(item) for item in value)
    return tuple(aslist(str(value).replace(',', ' ')))


def parse_durations(value: Any) -> tuple[float, ...]:
    """Several durations."""
    return tuple(parse_duration(word) for word in parse_words(value))


def parse_networks(value: Any) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Several networks such as ``127.0.0.0/8``."""
    try:
        return tuple(ipaddress.ip_network(word) for word in parse_words(value))
    except ValueError as error:
        raise ValueError(f'names something that is not a network: {error}') from None


def parse_ports(value: Any) -> tuple[int, ...]:
    """Several ports."""
    ports = tuple(parse_count(word) for word in parse_words(value))
    for port in ports:
        if not 1 <= port <= 65535:
            raise ValueError(f'names port {port}, which is not between 1 and 65535')
    return ports


def parse_fraction(value: Any) -> float:
    """A number between 0 and 1."""
    try:
        fraction = float(value)
    except (TypeError, ValueError):
        fraction = -1.0
    if isinstance(value, bool) or not 0 <= fraction <= 1:
        raise ValueError('is not a number between 0 and 1')
    return fraction


def parse_delivery(value: Any) -> str:
    """``process``, ``worker`` or ``sync``."""
    if value not in ('process', 'worker', 'sync'):
        raise ValueError('is none of process, worker and sync')
    return str(value)


def parse_text(value: Any) -> str:
    """A text, that may be empty."""
    if not isinstance(value, str):
        raise ValueError('is not a text')
    return value.strip()


def parse_required_text(value: Any) -> str:
    """A text that is not empty."""
    text = parse_text(value)
    if not text:
        raise ValueError('must not be empty')
    return text


def parse_optional_text(value: Any) -> str | None:
    """A text, or None for an empty one."""
    return parse_text(value) or None


def parse_keys(value: Any) -> tuple[str, ...] | None:
    """Random texts of at least 32 characters, separated by spaces, lines or commas; or None."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError('is not a text')
    keys = parse_words(value)
    if any(len(key) < _KEY_LENGTH for key in keys):
        raise ValueError(
            f'has a key of less than {_KEY_LENGTH} characters; make one with '
            f'python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return keys or None


def parse_proxy(value: Any) -> str | None:
    """The ``http`` URL of a proxy, or None."""
    url = parse_optional_text(value)
    if url is None:
        return None
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme == 'http' and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r'[\s\x00-\x1f]', url):
        raise ValueError('is not a URL such as http://proxy.example.com:3128')
    return url


def parse_trust(value: Any) -> str | None:
    """The path of a PEM file of certificate authorities, or None."""
    path = parse_optional_text(value)
    if path is None:
        return None
    if not os.path.isfile(path):
        raise ValueError('is not a file that exists')
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f'can not be read as a PEM file of certificates: {reason}') from None
    return path
