"""Settings: defaults, and bad values that are named."""

import dataclasses
import ipaddress

import pytest
from pyramid.exceptions import ConfigurationError

from pyramid_webhooks.settings import TABLE, Settings, parse_settings

BAD = [
    ('delivery', 'later'),
    ('concurrency', '0'),
    ('concurrency', '-1'),
    ('concurrency', 'many'),
    ('concurrency', '1.5'),
    ('concurrency', True),
    ('concurrency_per_subscription', '0'),
    ('connect_timeout', '0'),
    ('connect_timeout', '5 parsecs'),
    ('timeout', '-5s'),
    ('timeout', ''),
    ('retry_schedule', '5s soon'),
    ('retry_schedule', '5s -3s'),
    ('retry_jitter', '2'),
    ('retry_jitter', 'nan'),
    ('retry_jitter', 'some'),
    ('attempt_limit', '0'),
    ('exhausted_limit', '-1'),
    ('failure_limit', '0'),
    ('failure_window', 'always'),
    ('precondition_limit', '0'),
    ('check_initiator', 'perhaps'),
    ('coalesce', '2'),
    ('allow_http', 'maybe'),
    ('allowed_networks', '10.0.0.1/8'),
    ('allowed_networks', 'here'),
    ('allowed_ports', '0'),
    ('allowed_ports', '70000'),
    ('allowed_ports', 'https'),
    ('max_payload', '0'),
    ('max_payload', 'huge'),
    ('max_payload', '-1'),
    ('max_response', '16 kilos'),
    ('lease', '0'),
    ('rest', 'on demand'),
    ('zope_event', 'sometimes'),
    ('ca_bundle', '/no/such/file.pem'),
    ('subscriptions', 'a b a'),
    ('subscriptions', 'a/b'),
]


def parse(**options):
    return parse_settings({f'webhooks.{name}': value for name, value in options.items()})


def test_the_defaults_are_those_of_the_table():
    settings = parse()
    assert settings.delivery == 'process'
    assert (settings.concurrency, settings.concurrency_per_subscription) == (32, 8)
    assert (settings.connect_timeout, settings.timeout) == (5, 15)
    assert settings.retry_schedule == (
        5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400,
    )  # fmt: skip
    assert (settings.attempt_limit, settings.exhausted_limit) == (50, 10_000)
    assert (settings.failure_limit, settings.failure_window) == (50, 86400)
    assert (settings.permission, settings.dialect) == ('view', '')
    assert (settings.max_payload, settings.max_response) == (256 * 1024, 16 * 1024)
    assert settings.coalesce and settings.rest and settings.zope_event
    assert not settings.allow_http and not settings.check_initiator
    assert settings.allowed_networks == settings.allowed_ports == ()
    assert settings.secrets_key is settings.proxy is settings.ca_bundle is None


def test_every_setting_is_a_field_and_every_field_a_setting():
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields == {row.name for row in TABLE} | {'subscription_settings'}
    assert all(row.meaning.endswith(('.', '…')) for row in TABLE)


@pytest.mark.parametrize('name, value', BAD)
def test_a_bad_value_is_an_error_that_names_the_setting_and_the_value(name, value):
    with pytest.raises(ConfigurationError) as caught:
        parse(**{name: value})
    assert f'webhooks.{name}' in str(caught.value)


@pytest.mark.parametrize(
    'name, value, parsed',
    [
        ('timeout', '500ms', 0.5),
        ('timeout', '1.5m', 90),
        ('timeout', 7, 7),
        ('retry_schedule', '', ()),
        ('retry_schedule', '1s, 2m\n3h', (1, 120, 10800)),
        ('max_payload', '1MB', 1_000_000),
        ('max_payload', '2 KiB', 2048),
        ('max_response', '0', 0),
        ('exhausted_limit', '0', 0),
        ('failure_window', '0', 0),
        ('allowed_ports', '443 8443', (443, 8443)),
        (
            'allowed_networks',
            '127.0.0.0/8, ::1',
            (ipaddress.ip_network('127.0.0.0/8'), ipaddress.ip_network('::1/128')),
        ),
        ('allow_http', True, True),
        ('coalesce', 'no', False),
        ('delivery', 'sync', 'sync'),
    ],
)
def test_values_are_parsed(name, value, parsed):
    assert getattr(parse(**{name: value}), name) == parsed


def test_a_name_that_does_not_exist_is_an_error_with_a_hint():
    with pytest.raises(ConfigurationError, match='webhooks.timeout'):
        parse(timeuot='5')
    with pytest.raises(ConfigurationError, match='no setting named webhooks.colour'):
        parse(colour='red')


def test_settings_of_others_are_left_alone():
    assert parse_settings({'pyramid.reload': 'x', 'webhooksy.a': '1', 5: 6}) == parse()


def test_subscriptions_have_settings_of_their_own():
    settings = parse_settings(
        {
            'webhooks.subscriptions': 'a b',
            'webhooks.subscription.a.to': 'https://a.example/',
            'webhooks.subscription.b.to': 'https://b.example/',
            'webhooks.subscription.b.events': 'x.y',
        }
    )
    assert settings.subscriptions == ('a', 'b')
    assert settings.subscription_settings['b'] == {'to': 'https://b.example/', 'events': 'x.y'}


@pytest.mark.parametrize(
    'source, message',
    [
        ({'webhooks.subscriptions': 'a'}, "'a' has no target"),
        ({'webhooks.subscriptions': 'a', 'webhooks.subscription.a.to': ' '}, "'a' has no target"),
        ({'webhooks.subscription.a.to': 'x'}, "'a' that webhooks.subscriptions does not list"),
        (
            {'webhooks.subscriptions': 'a', 'webhooks.subscription.a.colour': 'red'},
            'no setting named webhooks.subscription.a.colour',
        ),
    ],
)
def test_a_subscription_that_is_half_described_is_an_error(source, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_settings(source)


def test_secret_values_are_in_no_repr_and_in_no_error(tmp_path):
    settings = parse(proxy='http://user:hidden@proxy.example:8080')
    assert 'hidden' not in repr(settings)
    settings = parse_settings(
        {
            'webhooks.subscriptions': 'a',
            'webhooks.subscription.a.to': 'https://a.example/',
            'webhooks.subscription.a.secret': 'whsec_hidden',
        }
    )
    assert 'hidden' not in repr(settings)
