"""Decompressing the content of answers, to a limit."""

from __future__ import annotations

import zlib

#: Window sizes that make zlib read gzip and zlib, and raw deflate, which some servers send.
_AUTOMATIC = 47
_RAW = -15
_GZIP = frozenset(('gzip', 'x-gzip'))


def unpack_content(content: bytes, coding: str, limit: int) -> tuple[bytes, bool]:
    """Return at most ``limit`` bytes of what was compressed, and whether there was more.

    No compression is asked for, but some servers know no better. Whatever the content unpacks
    to, no more than the limit is ever in memory. What can't be unpacked (another coding, two of
    them on top of each other, not what it is said to be) stays as it is.

    :param coding: the value of ``Content-Encoding``
    """
    coding = coding.strip().lower()
    if not content or coding not in _GZIP and coding != 'deflate':
        return content, False
    try:
        return _unpack(content, _AUTOMATIC, limit)
    except zlib.error:
        if coding in _GZIP:
            return content, False
    try:
        return _unpack(content, _RAW, limit)
    except zlib.error:
        return content, False


def _unpack(content: bytes, window: int, limit: int) -> tuple[bytes, bool]:
    unpacked = b''
    while content and len(unpacked) <= limit:
        unpacker = zlib.decompressobj(window)
        try:
            unpacked += unpacker.decompress(content, limit + 1 - len(unpacked))
        except zlib.error:
            if not unpacked:
                raise
            break
        # A gzip file may have several members, one after the other (RFC 1952, section 2.2).
        content = unpacker.unused_data if unpacker.eof else b''
    return unpacked[:limit], len(unpacked) > limit
