"""The head of an HTTP/1.1 request as bytes, and what cannot be one."""

from __future__ import annotations

import re
from collections.abc import Mapping

import requests.exceptions

from pyramid_webhooks.delivery.target import Target

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN_IN_VALUE = re.compile(r'[\x00-\x08\x0a-\x1f\x7f]')

#: Headers that say how the message travels; only the transport knows that.
TRANSPORT_HEADERS = frozenset(
    (
        'connection',
        'expect',
        'host',
        'keep-alive',
        'proxy-authorization',
        'proxy-connection',
        'te',
        'trailer',
        'transfer-encoding',
        'upgrade',
    )
)


class UnsendableRequest(requests.exceptions.InvalidHeader):
    """The request can never be sent as it is; the message never shows a header's value."""


def request_head(
    method: str, target: Target, headers: Mapping[str, str | bytes] | None, length: int
) -> bytes:
    """Return the request line and the headers, up to and including the empty line.

    ``Host``, ``Content-Length`` and ``Accept-Encoding`` are the transport's, and so is how long
    a connection is kept: a ``Connection`` header is left out.

    :param length: of the body, in bytes
    :raises UnsendableRequest: when the method or a header cannot be sent; it names it
    """
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise UnsendableRequest(f'The method {method!r} is not one of HTTP.')
    lines = [f'{method} {target.path} HTTP/1.1\r\nHost: {target.host_header}\r\n']
    for name, value in (headers or {}).items():
        name, value = _check_header(name, value)
        lowered = name.lower()
        if lowered in TRANSPORT_HEADERS:
            if lowered == 'connection' and value.lower() in ('keep-alive', 'close'):
                continue
            raise UnsendableRequest(
                f'The header "{name}" cannot be sent: it is for the transport to set.'
            )
        if lowered not in ('content-length', 'accept-encoding'):
            lines.append(f'{name}: {value}\r\n')
    lines.append(f'Accept-Encoding: identity\r\nContent-Length: {length}\r\n\r\n')
    return ''.join(lines).encode('latin-1')


def _check_header(name: str | bytes, value: str | bytes) -> tuple[str, str]:
    if isinstance(name, bytes):
        name = name.decode('latin-1')
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise UnsendableRequest(f'The header name {name!r} cannot be sent: it is not a token.')
    if isinstance(value, bytes):
        value = value.decode('latin-1')
    if not isinstance(value, str):
        raise UnsendableRequest(f'The header "{name}" cannot be sent: its value is not a text.')
    if _FORBIDDEN_IN_VALUE.search(value):
        raise UnsendableRequest(
            f'The header "{name}" cannot be sent: its value has a line break or another '
            'control character in it.'
        )
    try:
        value.encode('latin-1')
    except UnicodeEncodeError:
        raise UnsendableRequest(
            f'The header "{name}" cannot be sent: its value has a character outside Latin-1.'
        ) from None
    return name, value.strip(' \t')
