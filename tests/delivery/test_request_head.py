"""Whatever is asked to be sent, a head is one request with these headers, or is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.delivery.request_head import (
    TRANSPORT_HEADERS,
    UnsendableRequest,
    request_head,
)
from pyramid_webhooks.delivery.target import parse_target
from pyramid_webhooks.interfaces import DestinationRefused

TARGET = parse_target('https://example.com/hook?a=b')
OWN = ['Accept-Encoding: identity', 'Content-Length: 7', '', '']

texts = st.text(st.characters(codec='utf-8') | st.sampled_from('\r\n\t :\x00\x7fé€'), max_size=20)
names = st.from_regex(r'[A-Za-z0-9!#$%&*+.^_`|~-]{1,12}', fullmatch=True) | texts
values = texts | st.binary(max_size=20) | st.integers() | st.none()


@given(st.dictionaries(names | st.binary(max_size=9), values, max_size=4))
def test_any_headers_are_each_one_line_or_refused(headers):
    try:
        head = request_head('POST', TARGET, headers, 7).decode('latin-1')
    except UnsendableRequest as error:
        assert str(error).isprintable()
        return
    assert not re.search(r'[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n', head)
    first, host, *lines = head.split('\r\n')
    assert (first, host) == ('POST /hook?a=b HTTP/1.1', 'Host: example.com')
    assert lines[-4:] == OWN
    sent = dict(line.split(': ', 1) for line in lines[:-4])
    assert not {name.lower() for name in sent} & TRANSPORT_HEADERS
    for name, value in sent.items():
        given = headers.get(name, headers.get(name.encode('latin-1')))
        given = given.decode('latin-1') if isinstance(given, bytes) else given
        assert value == given.strip(' \t')


@given(texts | st.none() | st.binary(max_size=5))
def test_any_method_is_one_word_or_refused(method):
    try:
        head = request_head(method, TARGET, {}, 7)
    except UnsendableRequest:
        return
    assert head.startswith(method.encode() + b' /hook?a=b HTTP/1.1\r\n')


@given(st.sampled_from(['https://{}', 'https://a.example/{}', 'https://a.example?{}']), st.text())
def test_any_target_is_one_word_of_the_first_line_and_one_host_or_refused(form, text):
    try:
        target = parse_target(form.format(text))
    except DestinationRefused:
        return
    head = request_head('POST', target, {}, 7)
    assert head.isascii()
    assert re.fullmatch(
        rb'POST [!-~]+ HTTP/1\.1\r\nHost: [a-z0-9.:\[\]_-]+\r\n'
        rb'Accept-Encoding: identity\r\nContent-Length: 7\r\n\r\n',
        head,
    )


@pytest.mark.parametrize('name', sorted(TRANSPORT_HEADERS))
def test_hop_by_hop_headers_are_for_the_transport(name):
    with pytest.raises(UnsendableRequest, match='it is for the transport to set'):
        request_head('POST', TARGET, {name.title(): 'a'}, 7)
