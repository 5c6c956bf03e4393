import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.resources import redaction
from pyramid_webhooks.resources.redaction import (
    REDACTED,
    Veil,
    is_secret,
    restored_headers,
    shown_headers,
    shown_url,
)


@pytest.mark.parametrize(
    'name',
    [
        'Authorization',
        'authorisation',
        'PROXY-AUTHORIZATION',
        'Cookie',
        'Set-Cookie',
        'X-Api-Key',
        'X-Auth',
        'X-Authentication',
        'X-Gitlab-Token',
        'X-Secret',
        'X-Password',
        'X-Passwd',
        'X-Credentials',
        'X-Session-Id',
    ],
)
def test_the_name_of_a_header_tells_that_its_value_is_secret(name):
    assert is_secret(name) and is_secret(name.lower()) and is_secret(name.upper())
    assert shown_headers({name: 'value'}) == {name: REDACTED}


@pytest.mark.parametrize(
    'name',
    'Content-Type User-Agent webhook-id webhook-signature X-Author X-Team WWW-Authenticate '
    'Proxy-Authenticate Retry-After'.split(),
)
def test_other_headers_are_shown(name):
    assert not is_secret(name)
    assert shown_headers({name: 'value'}) == {name: 'value'}


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('https://user:pw@example.com/a@b', 'https://…@example.com/a@b'),
        ('https://user@example.com', 'https://…@example.com'),
        ('https://us@er:pw@example.com/', 'https://…@example.com/'),
        ('https://example.com/a//b@c?d@e', 'https://example.com/a//b@c?d@e'),
    ],
)
def test_a_url_is_shown_without_user_and_password(url, shown):
    assert shown_url(url) == shown


def test_secret_values_are_hidden_wherever_they_turn_up():
    veil = Veil([('Authorization', 'Bearer 2b6f81aa'), ('X-Team', 'docs'), ('X-Odd', 'hush hush')])
    assert veil.headers([('authorization', 'Bearer 2b6f81aa'), ('X-Echo', 'got 2b6f81aa')]) == (
        ('authorization', REDACTED),
        ('X-Echo', f'got {REDACTED}'),
    )
    assert veil.headers([('X-Echo', 'got 2b6f81aa')]) == (('X-Echo', f'got {REDACTED}'),)
    assert veil.has_to_hide([('X-Echo', 'x')])
    assert not Veil([('X-Team', 'docs')]).has_to_hide([('X-Echo', 'x')])
    assert Veil([('X-Team', 'docs')]).has_to_hide([('X-Echo', 'x'), ('Set-Cookie', 'a=b')])
    assert veil.text('Bearer 2b6f81aa, 2b6f81aa, docs') == f'{REDACTED}, {REDACTED}, docs'
    assert veil.content(b'\xff2b6f81aa\x00') == b'\xff' + REDACTED.encode() + b'\x00'
    assert Veil([('X-Odd', 'hush hush')], ['x-odd']).text('hush hush') == REDACTED


def test_what_hostile_answers_have_for_headers_is_not_remembered():
    veil = Veil([('Authorization', 'Bearer 2b6f81aa')])
    before = redaction._secret_among.cache_info().currsize
    for number in range(50):
        pairs = [(f'X-{number}' * 500, 'a'), ('Set-Cookie' + 'x' * 500, 'b')]
        assert [value for _, value in veil.headers(pairs)] == ['a', REDACTED]
    assert redaction._secret_among.cache_info().currsize <= before + 1


def test_a_value_that_is_cut_off_with_the_end_of_the_answer_is_hidden_too():
    veil = Veil([('Authorization', 'Bearer 2b6f81aa')])
    hidden = b'sent: ' + REDACTED.encode()
    assert veil.content(b'sent: Bearer 2b6f8', truncated=True) == hidden
    assert veil.content(b'sent: 2b6f81a', truncated=True) == hidden
    assert veil.content(b'sent: Be', truncated=True) == b'sent: Be'
    assert veil.content(b'sent: Bearer 2b6f8') == b'sent: Bearer 2b6f8'


def test_a_value_too_short_to_be_told_from_other_text_is_hidden_in_its_header_alone():
    veil = Veil([('X-Token', '5')])
    assert veil.headers([('X-Token', '5')]) == (('X-Token', REDACTED),)
    assert veil.text('5 seconds') == '5 seconds' and veil.content(b'15') == b'15'


@given(st.text(alphabet=st.characters(max_codepoint=255), min_size=6), st.text(), st.binary())
def test_no_value_of_a_secret_header_gets_through(value, before, after):
    veil = Veil([('Authorization', value)])
    assert value not in veil.text(before + value).replace(REDACTED, '\0' * 99)
    found = veil.content(after + value.encode('latin-1') + after)
    assert value.encode('latin-1') not in found.replace(REDACTED.encode(), b'\0' * 99)


def test_a_secret_header_that_comes_back_as_it_was_shown_keeps_its_value():
    present = {'Authorization': 'Bearer 2b6f', 'X-Team': 'docs'}
    given = {'authorization': REDACTED, 'X-Team': REDACTED, 'X-Key': REDACTED, 'Cookie': 'new'}
    assert restored_headers(given, present) == {
        'authorization': 'Bearer 2b6f',
        'X-Team': REDACTED,
        'X-Key': REDACTED,
        'Cookie': 'new',
    }
    assert restored_headers(None, present) is None
