import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.delivery.answer import (
    AnswerReader,
    IncompleteAnswer,
    MalformedAnswer,
    NoAnswer,
)

ANSWERS = [
    b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello',
    b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    b'3\r\nhel\r\n2;x\r\nlo\r\n0\r\nA: b\r\n\r\n',
    b'HTTP/1.0 500 No\n\nbody until the end',
]


def pieces(data, cuts):
    """Return a function that returns the data piece by piece and then nothing."""
    borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    parts = [data[a:b] for a, b in zip(borders, borders[1:], strict=False)]
    parts.reverse()
    return lambda: parts.pop() if parts else b''


def read(data, cuts=(), limit=100, method='POST'):
    return AnswerReader(pieces(data, cuts)).read(method, limit)


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 500)))
def test_an_answer_is_the_same_however_it_is_cut_into_packets(data, cuts):
    assert read(data, cuts) == read(data)


@given(st.sampled_from(ANSWERS[:3]), st.integers(0, 500))
def test_an_answer_that_ends_early_is_never_taken_for_a_whole_one(data, end):
    end %= len(data)
    with pytest.raises(IncompleteAnswer if end else NoAnswer):
        read(data[:end])


@given(
    st.sampled_from([b'', b'HTTP/1.1 200 OK\r\n', ANSWERS[2][:52]]),
    st.binary(max_size=300) | st.text('HTP/1. 20\r\n:abcdef-ChunkdTsfEg;', max_size=300),
    st.lists(st.integers(0, 500), max_size=5),
    st.integers(0, 50),
)
def test_any_bytes_are_an_answer_within_limits_or_a_known_error(start, data, cuts, limit):
    data = start + (data if isinstance(data, bytes) else data.encode())
    try:
        answer = read(data, cuts, limit)
    except (NoAnswer, IncompleteAnswer, MalformedAnswer) as error:
        assert str(error).isprintable()
    else:
        assert 200 <= answer.status <= 999
        assert len(answer.content) <= limit
        assert answer.reason.isprintable()


@given(st.binary(max_size=200), st.integers(0, 250), st.integers(1, 60))
def test_content_is_cut_at_the_limit_whatever_its_framing(content, limit, size):
    head = b'HTTP/1.1 200 OK\r\n'
    chunks = b''.join(
        b'%x\r\n%b\r\n' % (len(content[at : at + size]), content[at : at + size])
        for at in range(0, len(content), size)
    )
    for data in (
        b'Content-Length: %d\r\n\r\n%b' % (len(content), content),
        b'Transfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n' % chunks,
        b'\r\n%b' % content,
    ):
        answer = read(head + data, limit=limit)
        assert answer.content == content[:limit]
        assert answer.truncated == (len(content) > limit)
        assert not (answer.truncated and answer.reusable)


def test_headers_are_pairs_in_order_with_their_case_and_duplicates():
    answer = read(b'HTTP/1.1 204 \r\nX-B: 1\r\nx-a:\t2 \r\nX-B: \xe9\r\n\r\n')
    assert answer.headers == (('X-B', '1'), ('x-a', '2'), ('X-B', 'é'))
    assert answer.reason == ''


@pytest.mark.parametrize(
    ('head', 'endless', 'count'),
    [
        (b'HTTP/1.1 200 OK\r\n', b'X-A: ' + b'x' * 8180 + b'\r\n', 99),
        (b'HTTP/1.1 200 OK\r\nX-A: a\r\n', b' ' + b'x' * 80 + b'\r\n', 98),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', b'1\r\nx\r\n', 20_000),
        (b'HTTP/1.1 200 OK\r\n\r\n', b'x', 20_000),
    ],
)
def test_an_answer_in_many_pieces_takes_little_memory(head, endless, count):
    pieces = itertools.chain([head], itertools.repeat(endless, count), [b'\r\n'])
    reader = AnswerReader(lambda: next(pieces, b''))
    tracemalloc.start()
    try:
        answer = reader.read('POST', 16384)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status == 200
    assert peak < 150_000


def test_headers_that_are_needed_are_kept_though_others_take_all_room():
    large = b''.join(b'X-%d: %b\r\n' % (number, b'x' * 5000) for number in range(9))
    answer = read(b'HTTP/1.1 503 \r\n' + large + b'Retry-After: 9\r\nContent-Length: 0\r\n\r\n')
    assert [name for name, _ in answer.headers] == ['X-0', 'X-1', 'Retry-After', 'Content-Length']
    assert answer.truncated and answer.reusable


def test_needed_headers_beyond_all_measure_are_no_answer():
    large = b'Connection: ' + b'x' * 8000 + b'\r\n'
    with pytest.raises(MalformedAnswer, match='its headers "Connection" are too long'):
        read(b'HTTP/1.1 200 \r\n' + large * 3 + b'\r\n')
