"""Packing rows of plain values."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.resources import packing

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)
ROWS = st.lists(st.lists(VALUES, max_size=6).map(tuple), max_size=6)


@given(ROWS)
def test_rows_come_back_as_they_were(rows):
    assert packing.unpack(packing.pack(rows)) == rows


def test_content_larger_than_the_window_comes_back_as_it_was():
    rows = [(b'\x00\x01' * 20_000, 'é' * 5_000), (b'<html>' * 3_000, '')]
    assert packing.unpack(packing.pack(rows)) == rows


def test_a_usual_row_takes_a_small_part_of_its_size():
    headers = (
        ('Content-Type', 'application/json'),
        ('User-Agent', 'pyramid_webhooks'),
        ('webhook-id', None),
        ('webhook-timestamp', '1795312418'),
        ('webhook-signature', 'v1,XmMzpzTP7ALgO1ritbxzNrrJhpH2plXBIQu/vqyyZmI='),
    )
    url = 'https://receiver.example/hook'
    response = (200, 'OK', (('Content-Length', '2'),), b'ok', False, 10_000)
    times = (1795312418.1, 1795312418.1, 1795312418.2)
    row = (1, True, *times, '200 OK', '', 'POST', url, headers, None, response, ())
    assert len(packing.pack([row])) < 120


def test_rows_of_an_unknown_format_are_an_error_that_says_so():
    with pytest.raises(ValueError, match=r"format b'\\x03'"):
        packing.unpack(b'\x03whatever')


def test_the_dictionary_never_changes_because_what_is_stored_is_read_with_it():
    digest = hashlib.sha256(packing._DICTIONARY).hexdigest()
    assert digest == 'fbf7f3d69a5dc64dfd8514a54c6bbe705d6e2d9e12c70ab49dcf4bfe491d0651'
