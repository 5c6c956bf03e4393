"""Each thing that a hostile receiver may do, by name, and the sentence that an attempt says.

A mode is a script for a :class:`~tests.delivery.hostile_server.HostileServer`. In a message
``{place}`` is host and port; everything else is a regular expression.
"""

import gzip
import re
import socket
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

LATE = r'The answer of {place} was not complete within [0-9.]+ seconds\.'
NOT_CONNECTED = r'Connecting to {place} took longer than [0-9.]+ seconds\.'
OK = b'HTTP/1.1 200 OK\r\n'
PAUSE = 0.1


def not_http(reason):
    return r'What {place} answered is not valid HTTP: ' + reason + r'\.'


class Mode(NamedTuple):
    """What a receiver does.

    :ivar message: what the attempt says
    :ivar script: ``script(connection, server)``; the connection is within TLS with ``tls``
    :ivar tls: ``'yes'``; ``'own'`` for a script that speaks it itself, which gets the context
        as a third argument; ``'foreign'`` for a certificate of an unknown authority, and
        ``'other'`` for one of another name
    :ivar truncated: whether the answer is flagged as cut
    """

    message: str
    script: Callable
    tls: str = ''
    truncated: bool = False


def drips(start, endless, read=True):
    """After ``start``, send ``endless`` over and over again, byte by byte."""

    def script(connection, server):
        if read:
            server.read_request(connection)
        connection.sendall(start)
        while not server.stopping.is_set():
            server.drip(connection, endless, PAUSE)

    return script


def floods(start, endless):
    """After ``start``, send ``endless`` over and over again, as fast as may be."""
    many = endless * (65536 // len(endless))

    def script(connection, server):
        server.read_request(connection)
        connection.sendall(start)
        while not server.stopping.is_set():
            connection.sendall(many)

    return script


def says(answer, then=None):
    """Send ``answer`` and close, or do ``then(connection, server)``."""

    def script(connection, server):
        server.read_request(connection)
        connection.sendall(answer)
        if then is not None:
            then(connection, server)

    return script


def waits(connection, server):
    server.stopping.wait(60)


def never_answers(connection, server):
    server.read_request(connection)
    waits(connection, server)


def resets(connection, server=None):
    # Closing with a linger time of zero sends RST.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


def resets_after_request(connection, server):
    server.read_request(connection)
    resets(connection)


def says_too_early(connection, server):
    connection.sendall(OK + b'Content-Length: 0\r\n\r\n')
    connection.shutdown(socket.SHUT_WR)
    waits(connection, server)


def handshakes_slowly(connection, server, tls):
    tls(connection).handshake(lambda data: server.drip(connection, data, PAUSE))


def handshakes_without_end(connection, server, tls):
    connection.recv(65536)
    # Records of a handshake message that says it has 16 MB.
    connection.sendall(b'\x16\x03\x03\x00\x04\x02\xff\xff\xff')
    while not server.stopping.is_set():
        connection.sendall(b'\x16\x03\x03\x40\x00' + bytes(0x4000))


def answers_in_one_slow_record(connection, server, tls):
    peer = tls(connection)
    peer.handshake()
    peer.read()
    server.drip(connection, peer.encrypted(OK + b'x' * 5000), PAUSE)


def speaks_nonsense_after_the_handshake(connection, server, tls):
    peer = tls(connection)
    peer.handshake()
    peer.read()
    connection.sendall(b'\x17\x03\x03\x00\x20' + bytes(32))
    waits(connection, server)


def leaves_tls(connection, server, tls):
    peer = tls(connection)
    peer.handshake()
    peer.read()
    connection.sendall(OK + b'\r\n')


def breaks_tls_off(connection, server, tls):
    peer = tls(connection)
    peer.handshake()
    peer.read()
    connection.sendall(peer.encrypted(OK + b'Content-Length: 10\r\n\r\nhalf'))


def sends_empty_records(connection, server, tls):
    peer = tls(connection)
    peer.handshake()
    peer.read()
    while not server.stopping.is_set():
        connection.sendall(b'\x17\x03\x03\x00\x00' * 1000)


def deflated(data, wbits):
    compressor = zlib.compressobj(9, wbits=wbits)
    return compressor.compress(data) + compressor.flush()


def packed(coding, content):
    head = b'Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n' % (coding, len(content))
    return says(OK + head + content)


CHUNKED = OK + b'Transfer-Encoding: chunked\r\n\r\n'
LARGE_HEADERS = b''.join(b'X-%02d: %b\r\n' % (number, b'x' * 8180) for number in range(99))
BOMB = bytes(10_000_000)

SLOW = {
    'accepts and never reads': Mode(LATE, waits),
    'never answers': Mode(LATE, never_answers),
    'drips an answer': Mode(LATE, drips(b'', b'HTTP/1.1 200 ' + b'x' * 5000)),
    'drips headers': Mode(LATE, drips(OK, b'X-A: b\r\n')),
    'drips one header': Mode(LATE, drips(OK + b'X-A: ', b'b')),
    'drips interim answers': Mode(LATE, drips(b'', b'HTTP/1.1 102 Processing\r\n\r\n')),
    'drips content': Mode(LATE, drips(OK + b'Content-Length: 9999\r\n\r\n', b'x')),
    'drips content without a length': Mode(LATE, drips(OK + b'\r\n', b'x')),
    'drips content as HTTP/1.0': Mode(LATE, drips(b'HTTP/1.0 200 OK\r\n\r\n', b'x')),
    'drips chunks': Mode(LATE, drips(CHUNKED, b'1\r\nx\r\n')),
    'drips a chunk extension': Mode(LATE, drips(CHUNKED + b'1;', b'x')),
    'drips a chunk size': Mode(LATE, drips(CHUNKED, b'0')),
    'drips trailers': Mode(LATE, drips(CHUNKED + b'0\r\n', b'A: b\r\n')),
    'drips before it is asked': Mode(LATE, drips(OK, b'X-A: b\r\n', read=False)),
    'stops within the headers': Mode(LATE, says(OK + b'X-A', waits)),
    'stops within the content': Mode(LATE, says(OK + b'Content-Length: 9\r\n\r\nx', waits)),
    'stops within the chunks': Mode(LATE, says(CHUNKED + b'1\r\nx\r\n', waits)),
    'has no end to its content': Mode(LATE, says(OK + b'\r\nok', waits)),
}

FLOODS = {
    'floods with headers': Mode(
        not_http('it has more than 100 headers'), floods(OK, b'X-A: b\r\n')
    ),
    'floods with one header': Mode(
        not_http('it has a line of more than 8192 bytes'), floods(OK + b'X-A: ', b'b')
    ),
    'floods with a folded header': Mode(
        not_http('it has more than 100 headers'), floods(OK + b'X-A: b\r\n', b' b\r\n')
    ),
    'floods with a status': Mode(
        not_http('it has a line of more than 8192 bytes'), floods(b'HTTP/1.1 200 ', b'x')
    ),
    'floods with interim answers': Mode(
        not_http('it has more than 16 interim answers'),
        floods(b'', b'HTTP/1.1 100 Continue\r\n\r\n'),
    ),
    'floods with trailers': Mode(
        not_http('it has more than 100 headers'), floods(CHUNKED + b'0\r\n', b'A: b\r\n')
    ),
    'floods with a chunk extension': Mode(
        not_http('it has a line of more than 1024 bytes'), floods(CHUNKED + b'1;', b'x')
    ),
    'floods with content': Mode(
        '200 OK', floods(OK + b'Content-Length: 99999999999\r\n\r\n', b'x'), truncated=True
    ),
    'floods without a length': Mode('200 OK', floods(OK + b'\r\n', b'x'), truncated=True),
    'floods with small chunks': Mode('200 OK', floods(CHUNKED, b'1\r\nx\r\n'), truncated=True),
    'floods with one chunk': Mode(
        '200 OK', floods(CHUNKED + b'fffffffffff\r\n', b'x'), truncated=True
    ),
    'sends 100 headers of 8 KiB': Mode(
        '200 OK', says(OK + LARGE_HEADERS + b'Content-Length: 0\r\n\r\n'), truncated=True
    ),
    'sends a gzip bomb': Mode('200 OK', packed(b'gzip', gzip.compress(BOMB)), truncated=True),
    'sends a deflate bomb': Mode(
        '200 OK', packed(b'deflate', zlib.compress(BOMB)), truncated=True
    ),
    'sends a raw deflate bomb': Mode(
        '200 OK', packed(b'deflate', deflated(BOMB, -15)), truncated=True
    ),
    'sends a bomb in a bomb': Mode(
        '200 OK', packed(b'gzip, gzip', gzip.compress(gzip.compress(BOMB)))
    ),
}

LIES = {
    'closes at once': Mode(
        r'{place} closed the connection without an answer\.|'
        r'The connection to {place} was reset before the answer was complete\.',
        lambda connection, server: None,
    ),
    'closes when it is asked': Mode(
        r'{place} closed the connection without an answer\.', says(b'')
    ),
    'resets': Mode(
        r'The connection to {place} was reset before the answer was complete\.',
        resets_after_request,
    ),
    'resets within the content': Mode(
        r'The connection to {place} was reset before the answer was complete\.|'
        r'The answer of {place} is incomplete: .*\.',
        says(OK + b'Content-Length: 9\r\n\r\nx', resets),
    ),
    'says less than it promised': Mode(
        r'The answer of {place} is incomplete: the connection was closed after 1 bytes of '
        r'content\.',
        says(OK + b'Content-Length: 9\r\n\r\nx'),
    ),
    'closes within the headers': Mode(
        r'The answer of {place} is incomplete: the connection was closed within the headers\.',
        says(OK + b'X-A'),
    ),
    'has a negative length': Mode(
        not_http("it has the Content-Length '-1'"), says(OK + b'Content-Length: -1\r\n\r\n')
    ),
    'has two lengths': Mode(
        not_http("it has the Content-Length '1,2'"),
        says(OK + b'Content-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
    ),
    'has a negative chunk': Mode(
        not_http("it has the chunk size '-1'"), says(CHUNKED + b'-1\r\n')
    ),
    'has a chunk that is too long': Mode(
        not_http('it has a chunk that is longer than it says'), says(CHUNKED + b'1\r\nabc\r\n')
    ),
    'switches protocols': Mode(
        not_http('it switches to another protocol, which nobody asked for'),
        says(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'),
    ),
    'speaks HTTP/2': Mode(
        not_http('it begins with .*'), says(b'\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\0\4\0\1\0\0\n')
    ),
    'speaks SSH': Mode(
        not_http("it begins with 'SSH-2.0-OpenSSH_9.6'"), says(b'SSH-2.0-OpenSSH_9.6\r\n')
    ),
    'speaks HTTP/0.9': Mode(not_http("it begins with '<html>'"), says(b'<html>\nhello\n')),
    'speaks nonsense': Mode(not_http('it begins with .*'), says(bytes(range(256)) * 4)),
    'answers before it is asked': Mode('200 OK', says_too_early),
    'answers twice': Mode('200 OK', says((OK + b'Content-Length: 0\r\n\r\n') * 2)),
    'answers as HTTP/1.0': Mode('200 OK', says(b'HTTP/1.0 200 OK\r\n\r\nok')),
    'answers without content': Mode('204 No Content', says(b'HTTP/1.1 204 No Content\r\n\r\n')),
    'answers 304 with a length': Mode(
        '304 Not Modified', says(b'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n')
    ),
    'answers 999': Mode('999 Denied', says(b'HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n')),
    'has control characters in its reason': Mode(
        r'500 \[31mred', says(b'HTTP/1.1 500 \x1b[31mred\x00\r\nContent-Length: 0\r\n\r\n')
    ),
    'redirects to a metadata service': Mode(
        '302 Found',
        says(
            b'HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\n'
            b'Content-Length: 0\r\n\r\n'
        ),
    ),
    'sets cookies': Mode(
        '200 OK', says(OK + b'Set-Cookie: a=b\r\n' * 90 + b'Content-Length: 0\r\n\r\n')
    ),
}

TLS = {
    'never shakes hands': Mode(NOT_CONNECTED, lambda c, s, tls: waits(c, s), tls='own'),
    'shakes hands slowly': Mode(NOT_CONNECTED, handshakes_slowly, tls='own'),
    'shakes hands without end': Mode(
        r'TLS with {place} failed: .*\.', handshakes_without_end, tls='own'
    ),
    'resets within the handshake': Mode(
        r'The connection to {place} was reset before the answer was complete\.',
        lambda c, s, tls: (c.recv(100), resets(c)),
        tls='own',
    ),
    'closes within the handshake': Mode(
        r'TLS with {place} failed: unexpected eof while reading\.|'
        r'The connection to {place} was reset before the answer was complete\.',
        lambda c, s, tls: c.recv(65536),
        tls='own',
    ),
    'speaks no TLS': Mode(
        r'TLS with {place} failed: .*\.',
        lambda c, s, tls: (c.recv(65536), c.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')),
        tls='own',
    ),
    'answers in one slow record': Mode(LATE, answers_in_one_slow_record, tls='own'),
    'speaks nonsense after the handshake': Mode(
        r'TLS with {place} failed: .*\.', speaks_nonsense_after_the_handshake, tls='own'
    ),
    'leaves TLS': Mode(r'TLS with {place} failed: .*\.', leaves_tls, tls='own'),
    'breaks TLS off': Mode(
        r'The answer of {place} is incomplete: the connection was closed after 4 bytes of '
        r'content\.',
        breaks_tls_off,
        tls='own',
    ),
    'sends empty records': Mode(r'TLS with {place} failed: .*\.', sends_empty_records, tls='own'),
    'drips headers within TLS': Mode(LATE, drips(OK, b'X-A: b\r\n'), tls='yes'),
    'floods within TLS': Mode('200 OK', floods(OK + b'\r\n', b'x'), tls='yes', truncated=True),
    'has a certificate of nobody': Mode(
        r'The TLS certificate of {place} was not accepted: unable to get local issuer '
        r'certificate\.',
        never_answers,
        tls='foreign',
    ),
    'has a certificate of another': Mode(
        r'The TLS certificate of {place} was not accepted: IP address mismatch.*\.',
        never_answers,
        tls='other',
    ),
}

MODES = {**SLOW, **FLOODS, **LIES, **TLS}


def is_said(message, mode, place):
    """Tell whether ``message`` is what an attempt says of a mode."""
    return re.fullmatch(mode.message.replace('{place}', re.escape(place)), message) is not None
