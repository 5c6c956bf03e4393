"""Reading an HTTP/1 answer from a peer that is not to be trusted."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

from pyramid_webhooks.delivery.unpacking import unpack_content

#: Most header lines, and the longest of them in bytes.
MAX_HEADERS = 100
MAX_LINE = 8192
#: Most bytes of headers that an :class:`Answer` has; what goes beyond is read and left out.
MAX_KEPT = 16384

_MAX_INTERIM = 16
_MAX_CHUNK_LINE = 1024
_STATUS_LINE = re.compile(rb'HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (.*))?', re.DOTALL)
_LENGTH = re.compile(r'[0-9]{1,18}')
_CHUNK_SIZE = re.compile(rb'([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?', re.DOTALL)
#: Headers that are always kept, and the bytes of the room for headers that only they may use.
_NEEDED = frozenset(
    ('connection', 'content-encoding', 'content-length', 'retry-after', 'transfer-encoding')
)
_RESERVED = 2048
#: A recipient replaces what may not be in a value by spaces (RFC 9110, section 5.5).
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), ' ')


class NoAnswer(ConnectionError):
    """The peer closed the connection without a byte of an answer."""


class IncompleteAnswer(ConnectionError):
    """The peer closed the connection in the middle of its answer."""


class MalformedAnswer(ValueError):
    """What the peer sent is not an HTTP answer, or one beyond all measure."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """An answer, its content unpacked.

    ``truncated`` says that there was more content than was wanted, or more in the headers than
    is kept, ``reusable`` that the connection may carry another request.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    content: bytes
    truncated: bool
    reusable: bool


class AnswerReader:
    """Reads one answer.

    :param receive: returns the next bytes that came, none when the peer has closed
    """

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._buffer = b''
        self._at = 0
        #: Whether a byte of the answer has come.
        self.began = False

    def read(self, method: str, max_content: int) -> Answer:
        """Read the whole answer, but at most ``max_content`` bytes of content, also unpacked.

        :param method: the request's method
        :raises NoAnswer: when the peer closed before it began
        :raises IncompleteAnswer: when the peer closed before it ended
        :raises MalformedAnswer: when it is none
        """
        for _ in range(_MAX_INTERIM):
            minor, status, reason = self._read_status()
            headers, cut = self._read_headers()
            if status >= 200:
                break
            if status == 101:
                raise MalformedAnswer('it switches to another protocol, which nobody asked for')
        else:
            raise MalformedAnswer(f'it has more than {_MAX_INTERIM} interim answers')
        values = _framing(headers)
        options = values.get('connection', '')
        keep = 'close' not in options if minor else 'keep-alive' in options
        content, truncated, framed = self._read_content(method, status, values, max_content)
        at_end = self._at == len(self._buffer)
        content, more = unpack_content(content, values.get('content-encoding', ''), max_content)
        truncated = truncated or more or cut
        return Answer(status, reason, headers, content, truncated, keep and framed and at_end)

    # -- the head --------------------------------------------------------------------

    def _read_status(self) -> tuple[int, int, str]:
        line = self._read_line(MAX_LINE)
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise MalformedAnswer(f'it begins with {_shown(line)}')
        minor, status, reason = match.groups()
        text = (reason or b'').decode('latin-1').strip()
        if not text.isprintable():
            text = ''.join(character for character in text if character.isprintable())
        return int(minor), int(status), text[:200]

    def _read_headers(self) -> tuple[tuple[tuple[str, str], ...], bool]:
        """Read the headers; return those that are kept, and whether some are left out."""
        headers: list[tuple[str, str]] = []
        room, cut = MAX_KEPT, False
        for text in self._read_header_texts():
            name, colon, value = text.partition(':')
            name, value = name.strip(), value.strip()
            if not colon or not name:
                raise MalformedAnswer(f'it has the header line {_shown(text)}')
            size = len(name) + len(value)
            needed = name.lower() in _NEEDED
            if size <= (room if needed else room - _RESERVED):
                headers.append((name, value))
                room -= size
            elif needed:
                raise MalformedAnswer(f'its headers "{name[:80]}" are too long')
            else:
                cut = True
        return tuple(headers), cut

    def _read_header_texts(self) -> Iterator[str]:
        """Yield each header; one that goes on in further lines is one."""
        header = ''
        for _ in range(MAX_HEADERS):
            text = self._read_line(MAX_LINE).decode('latin-1').translate(_CONTROLS)
            if text.startswith(' ') and header:
                # Old servers do that (RFC 9112, section 5.2).
                header += ' ' + text.strip()
                continue
            if header:
                yield header
            if not text:
                return
            header = text
        yield header
        if self._read_line(MAX_LINE):
            raise MalformedAnswer(f'it has more than {MAX_HEADERS} headers')

    # -- the content -----------------------------------------------------------------

    def _read_content(
        self, method: str, status: int, values: dict[str, str], limit: int
    ) -> tuple[bytes, bool, bool]:
        """Return the content, whether it is cut, and whether its end was found."""
        if method in ('HEAD', 'CONNECT') or status in (204, 304):
            return b'', False, True
        coding = values.get('transfer-encoding')
        length = values.get('content-length')
        # Old servers say "identity", which means nothing.
        if coding not in (None, 'identity'):
            if coding.rpartition(',')[2].strip() == 'chunked':
                content, truncated = self._read_chunks(limit)
                # A length beside it is an attempt to be read in two ways: no second answer.
                return content, truncated, not truncated and length is None
        elif length is not None:
            size = _parse_length(length)
            return self._read_exactly(min(size, limit)), size > limit, size <= limit
        content, truncated = self._read_to_end(limit)
        return content, truncated, False

    def _read_exactly(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            part = self._read_some(size - len(content))
            if not part:
                raise IncompleteAnswer(
                    f'the connection was closed after {len(content)} bytes of content'
                )
            content += part
        return bytes(content)

    def _read_to_end(self, limit: int) -> tuple[bytes, bool]:
        content = bytearray()
        while len(content) <= limit and (part := self._read_some(limit + 1 - len(content))):
            content += part
        return bytes(content[:limit]), len(content) > limit

    def _read_chunks(self, limit: int) -> tuple[bytes, bool]:
        content = bytearray()
        while True:
            line = self._read_line(_MAX_CHUNK_LINE)
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise MalformedAnswer(f'it has the chunk size {_shown(line)}')
            size = int(match.group(1), 16)
            if size == 0:
                self._read_headers()
                return bytes(content), False
            left = limit - len(content)
            content += self._read_exactly(min(size, left))
            if size > left:
                return bytes(content), True
            if self._read_line(_MAX_CHUNK_LINE):
                raise MalformedAnswer('it has a chunk that is longer than it says')

    # -- bytes -----------------------------------------------------------------------

    def _read_line(self, limit: int) -> bytes:
        """Read a line, without its end."""
        while True:
            end = self._buffer.find(b'\n', self._at)
            length = (len(self._buffer) if end < 0 else end) - self._at
            if length > limit:
                raise MalformedAnswer(f'it has a line of more than {limit} bytes')
            if end >= 0:
                line = self._buffer[self._at : end]
                self._at = end + 1
                return line.removesuffix(b'\r')
            data = self._receive_more()
            if not data:
                if self.began:
                    raise IncompleteAnswer('the connection was closed within the headers')
                raise NoAnswer('the connection was closed without an answer')
            self._buffer = self._buffer[self._at :] + data
            self._at = 0

    def _read_some(self, most: int) -> bytes:
        """Read at most so many bytes; none when the peer has closed."""
        if self._at == len(self._buffer):
            self._buffer = self._receive_more()
            self._at = 0
        part = self._buffer[self._at : self._at + most]
        self._at += len(part)
        return part

    def _receive_more(self) -> bytes:
        data = self._receive()
        if data:
            self.began = True
        return data


def _framing(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the headers that say how to read the answer, in lower case."""
    values: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name in _NEEDED:
            value = value.lower()
            values[name] = f'{values[name]},{value}' if name in values else value
    return values


def _parse_length(text: str) -> int:
    lengths = {length.strip() for length in text.split(',')}
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        raise MalformedAnswer(f'it has the Content-Length {text[:80]!r}')
    return int(length)


def _shown(line: bytes | str) -> str:
    text = line if isinstance(line, str) else line.decode('latin-1')
    return repr(text[:80])
