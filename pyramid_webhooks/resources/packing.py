"""Packing rows of plain values: some are written for each delivery, and most of them are alike."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Sequence
from typing import Any

_PROTOCOL = 5
_FORMAT = b'\x02'
#: Raw deflate with a window of 4 KB, which also says how much memory it takes.
_WINDOW_BITS = -12
_MEMORY_LEVEL = 5


def _text(value: str) -> bytes:
    """A short string as it is within a pickle."""
    return b'\x8c' + bytes((len(value),)) + value.encode() + b'\x94'


def _header(name: str, value: str) -> bytes:
    return _text(name) + _text(value) + b'\x86\x94'


#: What rows are likely to contain, the likeliest last. What is stored is read with it: it must
#: never change, and a better one needs another format byte.
_DICTIONARY = b''.join(
    (
        _text('Retry-After'),
        _text('X-Request-Id'),
        _text('X-Powered-By'),
        _text('Via'),
        _text('ETag'),
        _header('Set-Cookie', 'session=; Path=/; HttpOnly; Secure; SameSite=Lax'),
        _header('Strict-Transport-Security', 'max-age=31536000; includeSubDomains'),
        _header('X-Content-Type-Options', 'nosniff'),
        _header('X-Frame-Options', 'SAMEORIGIN'),
        _header('Vary', 'Accept-Encoding'),
        _header('Transfer-Encoding', 'chunked'),
        _header('Cache-Control', 'max-age=0, private, must-revalidate, no-cache, no-store'),
        _header('Content-Type', 'text/html; charset=utf-8'),
        _header('Content-Type', 'text/plain; charset=utf-8'),
        _text('The connection was refused by'),
        _text('There was no answer within 15 seconds from'),
        _text('<!DOCTYPE html><html><head><title></title></head><body></body></html>'),
        _text('{"status": "error", "message": "ok", "id": "'),
        _text('404 Not Found'),
        _text('500 Internal Server Error'),
        _text('503 Service Unavailable'),
        _text('429 Too Many Requests'),
        _text('202 Accepted'),
        _text('204 No Content'),
        _text(
            'Mon, Tue, Wed, Thu, Fri, Sat, Sun, Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'
        ),
        b'(K\x01\x88GA\xda\xc0',
        _text('200 OK'),
        _text(''),
        _text('POST'),
        _text('https://'),
        b'(',
        _header('Content-Type', 'application/json'),
        _header('User-Agent', 'pyramid_webhooks'),
        _header('webhook-id', 'msg_01m'),
        _header('webhook-timestamp', '179'),
        _text('webhook-signature'),
        b'\x8c\x2fv1,',
        b'=\x94\x86\x94t\x94N(K\xc8\x8c\x02OK\x94(',
        _header('Server', 'nginx'),
        _header('Date', ', 2026 00:00:00 GMT'),
        _header('Content-Type', 'application/json'),
        _header('Connection', 'keep-alive'),
        _header('Content-Length', '2'),
        b't\x94C\x02ok\x94\x89G?',
        b't\x94)t\x94',
        # A whole row, as it is pickled.
        b'\x80\x05\x95e\x01\x00\x00\x00\x00\x00\x00]\x94(K\x01\x88GA\xda\xc0\x92\xc8\x86ff'
        b'GA\xda\xc0\x92\xc8\x86ffGA\xda\xc0\x92\xc8\x86ff\x8c\x06200 OK\x94\x8c\x00\x94'
        b'\x8c\x04POST\x94\x8c\x08https://\x94(\x8c\x0cContent-Type\x94\x8c\x10application/json\x94\x86\x94\x8c\n'
        b'User-Agent\x94\x8c\x10pyramid_webhooks\x94\x86\x94\x8c\nwebhook-id\x94N\x86\x94\x8c\x11'
        b'webhook-timestamp\x94\x8c\n1795312418\x94\x86\x94\x8c\x11webhook-signature\x94\x8c\x04v1,='
        b'\x94\x86\x94t\x94N(K\xc8\x8c\x02OK\x94(\x8c\x06Server\x94\x8c\x05nginx\x94\x86'
        b'\x94\x8c\x04Date\x94\x8c\x1dSun, 01 Nov 2026 00:00:00 GMT\x94\x86\x94h\x07'
        b'\x8c\x0eContent-Length\x94\x8c\x012\x94\x86\x94\x8c\nConnection\x94\x8c\nkeep-alive\x94\x86\x94t\x94C\x02ok\x94\x89M\xd2\x04t\x94)t'
        b'\x94a.',
    )
)


def pack(rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Make bytes of rows of plain values."""
    compressor = zlib.compressobj(wbits=_WINDOW_BITS, memLevel=_MEMORY_LEVEL, zdict=_DICTIONARY)
    packed = compressor.compress(pickle.dumps(list(rows), _PROTOCOL))
    return _FORMAT + packed + compressor.flush()


def unpack(packed: bytes) -> list[tuple[Any, ...]]:
    """The rows that :func:`pack` made ``packed`` of.

    :raises ValueError: when a later version made it, or nobody.
    """
    if packed[:1] != _FORMAT:
        raise ValueError(f'Rows are packed in the format {packed[:1]!r}, which is not known here.')
    decompressor = zlib.decompressobj(_WINDOW_BITS, zdict=_DICTIONARY)
    return pickle.loads(decompressor.decompress(packed[1:]) + decompressor.flush())
