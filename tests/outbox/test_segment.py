"""Segments, and the merge of two changes of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ZODB.POSException import ConflictError

from pyramid_webhooks.outbox.segment import (
    ENTRY_LIMIT,
    OWED_LIMIT,
    Entry,
    Segment,
    merge,
    new_entry_key,
    unpack,
)

OIDS = [number.to_bytes(8, 'big') for number in range(6)]
KEYS = [number.to_bytes(16, 'big') for number in range(8)]


def pack(oids):
    return b''.join(sorted(oids))


def content(entries):
    """key -> set of the oids still owed."""
    return {key: set(unpack(entry[1])) for key, entry in entries.items()}


some_oids = st.sets(st.sampled_from(OIDS), min_size=1)
old_entries = st.dictionaries(st.sampled_from(KEYS[:4]), some_oids)
changes = st.tuples(
    st.dictionaries(st.sampled_from(KEYS[:4]), st.sets(st.sampled_from(OIDS))),
    st.dictionaries(st.sampled_from(KEYS[4:]), some_oids),
)


def as_entries(entries):
    return {key: tuple(Entry(f'message {key[-1]}', pack(oids))) for key, oids in entries.items()}


def changed(old, taken, added):
    new = {key: oids - taken.get(key, set()) for key, oids in old.items()}
    return {**{key: oids for key, oids in new.items() if oids}, **added}


@given(old_entries, changes, changes)
def test_a_merge_has_what_either_added_less_what_either_took(old, one, other):
    (taken_one, added_one), (taken_other, added_other) = one, other
    added_other = {key: oids for key, oids in added_other.items() if key not in added_one}
    merged = merge(
        as_entries(old),
        as_entries(changed(old, taken_one, added_one)),
        as_entries(changed(old, taken_other, added_other)),
    )
    expected = {
        key: oids - taken_one.get(key, set()) - taken_other.get(key, set())
        for key, oids in old.items()
    }
    expected = {key: oids for key, oids in expected.items() if oids}
    assert content(merged) == {**expected, **added_one, **added_other}


@given(old_entries, changes, changes)
def test_the_order_of_the_commits_does_not_matter(old, one, other):
    added_other = {key: oids for key, oids in other[1].items() if key not in one[1]}
    states = [
        as_entries(changed(old, taken, added)) for taken, added in (one, (other[0], added_other))
    ]
    old = as_entries(old)
    assert content(merge(old, *states)) == content(merge(old, *reversed(states)))


@given(old_entries, changes)
def test_a_merge_with_no_change_is_the_change(old, change):
    new = as_entries(changed(old, *change))
    old = as_entries(old)
    assert content(merge(old, old, new)) == content(merge(old, new, old)) == content(new)


def test_the_message_and_the_rest_of_an_entry_survive_a_merge():
    entry = tuple(Entry('message', pack(OIDS[:2]), 'other', ('last',)))
    old = {KEYS[0]: entry}
    one = {KEYS[0]: (entry[0], OIDS[0], *entry[2:])}
    merged = merge(old, one, {**old, KEYS[5]: entry})
    assert merged == {KEYS[0]: ('message', OIDS[0], 'other', ('last',)), KEYS[5]: entry}


def test_two_entries_of_one_key_are_a_conflict():
    one = {KEYS[0]: tuple(Entry('one', OIDS[0]))}
    other = {KEYS[0]: tuple(Entry('other', OIDS[0]))}
    with pytest.raises(ConflictError, match='two entries have the key'):
        merge({}, one, other)


def test_a_segment_gives_back_what_was_added_until_it_is_taken():
    segment = Segment()
    assert len(segment) == 0 and segment
    segment.add(KEYS[1], Entry('b', pack(OIDS[:2])))
    segment.add(KEYS[0], Entry('a', OIDS[3]))
    assert [(key, entry.message) for key, entry in segment.items()] == [
        (KEYS[0], 'a'),
        (KEYS[1], 'b'),
    ]
    assert segment.take(KEYS[1], [OIDS[0], OIDS[5]]) == {OIDS[0]}
    assert segment.take(KEYS[1], [OIDS[0]]) == set()
    assert dict(segment.items())[KEYS[1]].oids() == [OIDS[1]]
    assert segment.take(KEYS[1], [OIDS[1]]) == {OIDS[1]}
    assert segment.take(KEYS[1], [OIDS[1]]) == set()
    assert len(segment) == 1


def test_an_oid_that_only_looks_taken_stays():
    """Oids are compared as a whole, not as bytes that happen to stand side by side."""
    inside = b'\0\0\0\1\0\0\0\2'
    around = b'\1\0\0\0\0\0\0\1' + b'\0\0\0\2\0\0\0\1'
    segment = Segment()
    segment.add(KEYS[0], Entry('a', around))
    assert inside in around
    assert segment.take(KEYS[0], [inside]) == set()


def test_a_segment_is_full_by_entries_or_by_what_is_owed():
    segment = Segment()
    for _ in range(ENTRY_LIMIT):
        assert segment.has_room()
        segment.add(new_entry_key(), Entry('m', OIDS[0]))
    assert not segment.has_room()
    segment = Segment()
    segment.add(new_entry_key(), Entry('m', OIDS[0] * OWED_LIMIT))
    assert not segment.has_room()


def test_the_state_comes_back_as_it_was():
    segment, other = Segment(), Segment()
    segment.add(KEYS[0], Entry(None, OIDS[0], 'other', ('activated',)))
    segment.add(KEYS[1], Entry(None, pack(OIDS)))
    other.__setstate__(segment.__getstate__())
    assert list(other.items()) == list(segment.items())


def test_keys_are_unique_and_sort_by_time():
    keys = [new_entry_key() for _ in range(2000)]
    assert len(set(keys)) == 2000
    assert sorted(keys) == keys
    assert {len(key) for key in keys} == {16}
