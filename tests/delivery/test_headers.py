"""Request headers are those of requests, made with less work."""

from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from pyramid_webhooks.delivery.headers import Headers

names = st.sampled_from(['Content-Type', 'content-type', 'X-Tag', 'x-tag', 'X-TAG', 'Digest'])
mappings = st.dictionaries(names, st.sampled_from('abc'), max_size=4)


@given(mappings, mappings, names, st.lists(st.tuples(names, st.just('d')), max_size=3))
def test_they_are_like_those_of_requests(first, second, name, pairs):
    ours, theirs = Headers(first), CaseInsensitiveDict(first)
    for each in (ours, theirs):
        each.update(second)
        each.update(pairs)
        each.update(CaseInsensitiveDict(first))
        each.update(Digest='e')
        each.setdefault(name, 'f')
        each.setdefault('Last', 'g')
        each[name] = 'h'
        del each['LAST']
    assert ours == theirs
    assert list(ours.items()) == list(theirs.items())
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)
    assert list(ours.lower_items()) == list(theirs.lower_items())
    assert ours.get('nothing') is theirs.get('nothing') is None
    assert repr(ours) == repr(theirs)


def test_a_copy_is_another_one():
    headers = Headers({'X-Tag': 'a'})
    copy = headers.copy()
    copy['x-tag'] = 'b'
    assert headers['X-TAG'] == 'a'
    assert isinstance(copy, Headers)
