"""Reading the values of settings."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.exceptions import ConfigurationError

from pyramid_webhooks.parsing import (
    parse_duration,
    parse_durations,
    parse_size,
    parse_words,
    positive,
)
from pyramid_webhooks.settings import parse_settings
from pyramid_webhooks.testing.certificates import make_certificates

SECONDS = {'': 1, 's': 1, 'ms': 0.001, 'm': 60, 'h': 3600, 'd': 86400}
BYTES = {'': 1, 'B': 1, 'KB': 1000, 'KiB': 1024, 'MB': 10**6, 'MiB': 2**20}
SPACE = st.sampled_from(['', ' ', '\t'])


@given(st.integers(0, 3650), st.sampled_from(sorted(SECONDS)), SPACE)
def test_a_duration_is_a_number_and_a_unit(number, unit, space):
    assert parse_duration(f' {number}{space}{unit} ') == pytest.approx(number * SECONDS[unit])


@given(st.floats(0.001, 1e6))
def test_a_number_of_seconds_is_a_duration_however_it_is_given(number):
    text = f'{number:f}'
    assert parse_duration(text) == parse_duration(f'{text}s') == float(text)
    assert parse_duration(float(text)) == float(text)


@given(st.integers(0, 10**12), st.sampled_from(sorted(BYTES)), SPACE, st.booleans())
def test_a_size_is_a_whole_number_and_a_unit_in_any_case(number, unit, space, lower):
    text = f'{number}{space}{unit}'
    assert parse_size(text.lower() if lower else text) == number * BYTES[unit]


@given(st.lists(st.integers(0, 999)), st.sampled_from([' ', ', ', ',', '\n', ' \n  ']))
def test_lists_are_separated_by_spaces_lines_or_commas(numbers, separator):
    words = [f'{number}s' for number in numbers]
    assert parse_words(separator.join(words)) == tuple(words) == parse_words(words)
    assert parse_durations(separator.join(words)) == tuple(numbers)


@given(st.one_of(st.text(), st.none(), st.floats(), st.integers(), st.booleans(), st.binary()))
def test_whatever_is_given_becomes_a_usable_value_or_a_value_error(value):
    for parse, limit in ((parse_duration, 3650 * 86400), (parse_size, math.inf)):
        try:
            assert 0 <= parse(value) <= limit
        except ValueError as error:
            assert str(error).startswith('is ')


@pytest.mark.parametrize('text', ['3651d', '9' * 400, '1e400', 'inf', '-1s', '5 s s', '1,5s', '٣'])
def test_what_no_clock_could_wait_for_is_no_duration(text):
    with pytest.raises(ValueError, match='is (not a|longer than)'):
        parse_duration(text)


def test_zero_is_refused_where_something_must_be_left():
    assert parse_duration('0ms') == 0
    with pytest.raises(ValueError, match='greater than 0'):
        positive(parse_duration)('0ms')


@pytest.mark.parametrize(
    'name, value',
    [
        ('permission', ''),
        ('permission', 7),
        ('dialect', 7),
        ('secrets_key', b'hidden'),
        ('secrets_key', [b'hidden' * 6]),
        ('secrets_key', 7),
        ('secrets_key', 'hidden'),
        ('secrets_key', 'hidden' * 5 + 'h'),
        ('secrets_key', f'{"k" * 32} hidden'),
        ('proxy', 'hidden'),
        ('proxy', 'socks5://proxy.example:1080'),
        ('proxy', 'http://'),
        ('proxy', 'http://proxy.example:hidden'),
        ('proxy', 'http://proxy.example:0'),
        ('proxy', 'http://proxy .example:3128'),
        ('proxy', 7),
        ('retry_jitter', True),
        ('timeout', '9' * 30),
        ('concurrency', '9' * 30),
    ],
)
def test_a_value_that_could_not_be_used_later_is_refused_at_once(name, value):
    with pytest.raises(ConfigurationError, match=f'webhooks.{name} ') as caught:
        parse_settings({f'webhooks.{name}': value})
    assert 'hidden' not in str(caught.value)


@pytest.mark.parametrize(
    'value', [f'{"a" * 32} {"b" * 40}', f'\n  {"a" * 32},\n  {"b" * 40}\n', ['a' * 32, 'b' * 40]]
)
def test_several_keys_for_secrets_are_kept_in_their_order_and_not_shown(value):
    settings = parse_settings({'webhooks.secrets_key': value})
    assert settings.secrets_key == ('a' * 32, 'b' * 40)
    assert 'a' * 32 not in repr(settings)
    assert parse_settings({'webhooks.secrets_key': ' '}).secrets_key is None


def test_authorities_are_read_from_a_pem_file(tmp_path):
    certificate = tmp_path / 'authorities.pem'
    certificate.write_text('-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n')
    for path in (certificate, tmp_path, tmp_path / 'missing.pem'):
        with pytest.raises(ConfigurationError, match='webhooks.ca_bundle .* (PEM|file)'):
            parse_settings({'webhooks.ca_bundle': str(path)})
    make_certificates(tmp_path)
    path = str(tmp_path / 'ca.pem')
    assert parse_settings({'webhooks.ca_bundle': path}).ca_bundle == path
