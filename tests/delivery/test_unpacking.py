import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.delivery.unpacking import unpack_content


def raw_deflate(data):
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


PACKERS = {'gzip': gzip.compress, 'X-GZip': gzip.compress, 'deflate': zlib.compress}


@given(st.binary(max_size=300), st.integers(0, 350), st.sampled_from(sorted(PACKERS)))
def test_content_is_unpacked_to_the_limit_and_no_further(content, limit, coding):
    packed = PACKERS[coding](content)
    assert unpack_content(packed, coding, limit) == (content[:limit], len(content) > limit)


def test_deflate_without_its_frame_is_unpacked_too():
    assert unpack_content(raw_deflate(b'{"a": 1}'), 'deflate', 100) == (b'{"a": 1}', False)


def test_several_members_are_one_content_and_what_is_none_is_left_out():
    members = gzip.compress(b'ab') + gzip.compress(b'cd')
    assert unpack_content(members, 'gzip', 100) == (b'abcd', False)
    assert unpack_content(members, 'gzip', 3) == (b'abc', True)
    assert unpack_content(members + b'nonsense', 'gzip', 100) == (b'abcd', False)


@pytest.mark.parametrize('coding', ['', 'identity', 'br', 'zstd', 'gzip, gzip', 'nonsense'])
def test_what_cannot_be_unpacked_stays_as_it_is(coding):
    packed = gzip.compress(b'abc')
    assert unpack_content(packed, coding, 100) == (packed, False)


@given(st.binary(max_size=100), st.sampled_from(['gzip', 'deflate']), st.integers(0, 50))
def test_any_bytes_are_unpacked_or_stay_but_are_never_an_error(content, coding, limit):
    unpacked, truncated = unpack_content(content, coding, limit)
    assert unpacked == content or len(unpacked) <= limit


def test_a_bomb_takes_no_more_memory_than_the_limit():
    compressor = zlib.compressobj(wbits=31)
    bomb = compressor.compress(bytes(50_000_000)) + compressor.flush()
    tracemalloc.start()
    try:
        content, truncated = unpack_content(bomb, 'gzip', 16384)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (content, truncated) == (bytes(16384), True)
    assert peak < 1_000_000
