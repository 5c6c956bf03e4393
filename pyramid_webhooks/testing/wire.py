"""HTTP/1.1 as a test receiver speaks it: requests read from a stream, answers made bytes."""

from __future__ import annotations

import dataclasses
import http
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

#: Longest line, most headers and largest body that are read, the last in bytes.
MAX_LINE = 65536
MAX_HEADERS = 256
MAX_BODY = 64 * 1024 * 1024


class BadRequest(ValueError):
    """What a client sent is not a request that can be read."""


class Headers(Mapping[str, str]):
    """Headers as they arrived, looked up whatever their case.

    A header that came several times is one value, joined with ``', '``.
    """

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        for name, value in items:
            key = name.lower()
            if key in self._items:
                name, earlier = self._items[key]
                value = f'{earlier}, {value}'
            self._items[key] = (name, value)

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f'Headers({dict(self)!r})'


@dataclasses.dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it arrived.

    ``path`` is the request target, its query string included; ``time`` is when the whole
    request had arrived, in Unix seconds; ``connection`` is the number of the connection
    that brought it, counted from 1.
    """

    method: str
    path: str
    headers: Headers
    body: bytes
    time: float
    connection: int
    version: str = 'HTTP/1.1'

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with.

    :param delay: seconds between the whole request and the answer's first byte
    :param drip: seconds between the answer's single bytes; 0 sends them all at once
    :param reset: close the connection with a TCP reset instead of answering
    """

    status: int = 200
    headers: Mapping[str, str] | None = None
    body: bytes | str = b''
    delay: float = 0
    drip: float = 0
    reset: bool = False

    def to_bytes(self, method: str = 'POST') -> bytes:
        """Return the answer as it goes over the wire, with a length unless it has one."""
        body = self.body.encode() if isinstance(self.body, str) else self.body
        headers = dict(self.headers or {})
        names = {name.lower() for name in headers}
        if self.status < 200 or self.status in (204, 304):
            body = b''
        elif not names & {'content-length', 'transfer-encoding'}:
            headers['Content-Length'] = str(len(body))
        try:
            reason = http.HTTPStatus(self.status).phrase
        except ValueError:
            reason = 'Unknown'
        lines = [f'HTTP/1.1 {self.status} {reason}']
        lines += [f'{name}: {value}' for name, value in headers.items()]
        head = '\r\n'.join(lines).encode('latin-1') + b'\r\n\r\n'
        return head if method == 'HEAD' else head + body

    def closes(self) -> bool:
        """Tell whether the connection ends with this answer."""
        return any(
            name.lower() == 'connection' and value.lower() == 'close'
            for name, value in (self.headers or {}).items()
        )


def read_request(stream: BinaryIO, connection: int, send: Any) -> ReceivedRequest | None:
    """Read one request, or return None when the client closed before one began.

    :param send: called with the bytes of an interim answer, for ``Expect: 100-continue``
    :raises BadRequest: when what comes is not a request, or is larger than the limits
    """
    line = _read_line(stream)
    if not line:
        return None
    try:
        method, path, version = line.split(' ')
    except ValueError:
        raise BadRequest(f'The request line {line!r} is not "METHOD PATH VERSION".') from None
    if version not in ('HTTP/1.1', 'HTTP/1.0'):
        raise BadRequest(f'The request is in {version!r}; only HTTP/1.1 and HTTP/1.0 are read.')
    headers = Headers(_read_headers(stream))
    if headers.get('Expect', '').lower() == '100-continue':
        send(b'HTTP/1.1 100 Continue\r\n\r\n')
    body = _read_body(stream, headers)
    return ReceivedRequest(method, path, headers, body, time.time(), connection, version)


def _read_line(stream: BinaryIO) -> str:
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise BadRequest(f'A line is longer than {MAX_LINE} bytes.')
    if line and not line.endswith(b'\n'):
        raise BadRequest('The client closed the connection in the middle of a line.')
    return line.rstrip(b'\r\n').decode('latin-1')


def _read_headers(stream: BinaryIO) -> list[tuple[str, str]]:
    items: list[tuple[str, str]] = []
    while line := _read_line(stream):
        name, colon, value = line.partition(':')
        if not colon or not name or name != name.strip():
            raise BadRequest(f'The header line {line!r} is not "Name: value".')
        items.append((name, value.strip()))
        if len(items) > MAX_HEADERS:
            raise BadRequest(f'The request has more than {MAX_HEADERS} headers.')
    return items


def _read_body(stream: BinaryIO, headers: Headers) -> bytes:
    if headers.get('Transfer-Encoding', '').lower() == 'chunked':
        return b''.join(_read_chunks(stream))
    length = headers.get('Content-Length', '0')
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(f'The Content-Length {length!r} is not a number.')
    return _read_exactly(stream, int(length))


def _read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    total = 0
    while True:
        size_text = _read_line(stream).partition(';')[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError:
            raise BadRequest(f'The chunk size {size_text!r} is not hexadecimal.') from None
        total += size
        chunk = _read_exactly(stream, size, total)
        if size == 0:
            _read_headers(stream)
            return
        _read_line(stream)
        yield chunk


def _read_exactly(stream: BinaryIO, size: int, total: int | None = None) -> bytes:
    if size < 0 or (size if total is None else total) > MAX_BODY:
        raise BadRequest(f'The body is larger than {MAX_BODY} bytes.')
    content = stream.read(size) if size else b''
    if len(content) < size:
        raise BadRequest(f'The client closed after {len(content)} of {size} bytes of a body.')
    return content
