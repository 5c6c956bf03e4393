"""Settings: ini text in, one frozen :class:`Settings` object out.

Every setting stands once, in :data:`TABLE`, with its default and its meaning; the documentation
is made from that table.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from pyramid.exceptions import ConfigurationError

from pyramid_webhooks.parsing import (
    parse_boolean,
    parse_count,
    parse_delivery,
    parse_duration,
    parse_durations,
    parse_fraction,
    parse_keys,
    parse_networks,
    parse_ports,
    parse_proxy,
    parse_required_text,
    parse_size,
    parse_text,
    parse_trust,
    parse_words,
    positive,
)

PREFIX = 'webhooks.'
SUBSCRIPTION_PREFIX = PREFIX + 'subscription.'
SUBSCRIPTION_KEYS = (
    'to',
    'events',
    'for',
    'when',
    'owner',
    'permission',
    'dialect',
    'secret',
    'headers',
    'description',
    'path',
)


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One row of the settings table."""

    name: str
    default: str
    parse: Callable[[Any], Any]
    meaning: str


_DEFAULT_SCHEDULE = '5s 5m 30m 2h 5h 10h 14h 20h 24h'

TABLE: tuple[Setting, ...] = (
    Setting(
        'delivery',
        'process',
        parse_delivery,
        'Who sends: ``process`` (this process, from a few threads of its own), ``worker`` (only '
        'dedicated worker processes do) or ``sync`` (sent before the commit call returns; for '
        'tests).',
    ),
    Setting(
        'concurrency', '32', positive(parse_count), 'HTTP requests open at once in one process.'
    ),
    Setting(
        'concurrency_per_subscription',
        '8',
        positive(parse_count),
        'HTTP requests open at once to one subscription.',
    ),
    Setting('connect_timeout', '5', positive(parse_duration), 'Longest wait for a connection.'),
    Setting(
        'timeout',
        '15',
        positive(parse_duration),
        'Longest duration of a whole exchange, whatever the receiver does.',
    ),
    Setting(
        'retry_schedule',
        _DEFAULT_SCHEDULE,
        parse_durations,
        'Waits before the second, third, … attempt; empty for a single attempt. The first and the '
        'longest one are also those for the probes of a receiver that is down.',
    ),
    Setting(
        'retry_jitter',
        '0.2',
        parse_fraction,
        'Each wait is varied by up to this fraction of itself, so that retries spread out.',
    ),
    Setting(
        'attempt_limit',
        '50',
        positive(parse_count),
        'Resolved attempts kept for one subscription; the oldest is dropped first.',
    ),
    Setting(
        'exhausted_limit',
        '10000',
        parse_count,
        'Deliveries that were given up and are kept for one subscription, for recovery.',
    ),
    Setting(
        'failure_limit',
        '50',
        positive(parse_count),
        'A subscription is deactivated after so many failed attempts in a row …',
    ),
    Setting(
        'failure_window',
        '1d',
        parse_duration,
        '… that span at least so long; 0 for the count alone.',
    ),
    Setting(
        'precondition_limit',
        '50',
        positive(parse_count),
        'A subscription is deactivated after so many events for which its owner or permission '
        'could not be found.',
    ),
    Setting(
        'permission',
        'view',
        parse_required_text,
        'The permission that a subscription which names none needs on the object.',
    ),
    Setting(
        'check_initiator',
        'false',
        parse_boolean,
        "Also require that the request's own user has the permission on the object.",
    ),
    Setting(
        'coalesce',
        'true',
        parse_boolean,
        'Several events of one type on one object in one transaction are one delivery, with the '
        'state at commit.',
    ),
    Setting('dialect', '', parse_text, 'The dialect of a subscription that names none.'),
    Setting('allow_http', 'false', parse_boolean, 'Allow target URLs that are not https.'),
    Setting(
        'allowed_networks',
        '',
        parse_networks,
        'Networks, such as ``127.0.0.0/8``, that may be connected to although they are not '
        'public.',
    ),
    Setting(
        'allowed_ports',
        '',
        parse_ports,
        'Ports of target URLs; empty for 443 (and 80 with ``allow_http``). On '
        '``allowed_networks`` any port is allowed.',
    ),
    Setting(
        'max_payload',
        '256KiB',
        positive(parse_size),
        'A larger request body is a failed attempt and is never sent.',
    ),
    Setting(
        'max_response',
        '16KiB',
        parse_size,
        'A larger response is cut to this size and marked as truncated.',
    ),
    Setting(
        'memory_limit',
        '64MiB',
        positive(parse_size),
        'Without ZODB: what is owed and the histories take no more memory than this; what takes '
        'the most of it is shortened.',
    ),
    Setting(
        'secrets_key',
        '',
        parse_keys,
        'Keys of at least 32 random characters each, separated by spaces. The first one encrypts '
        'signing secrets at rest, all of them decrypt. Empty: secrets are stored as they are.',
    ),
    Setting(
        'lease',
        '15',
        positive(parse_duration),
        "Seconds without a sign of life after which another process takes over a process's work.",
    ),
    Setting('rest', 'true', parse_boolean, 'Offer the REST services.'),
    Setting(
        'zope_event', 'true', parse_boolean, 'Listen to events fired with ``zope.event.notify``.'
    ),
    Setting('proxy', '', parse_proxy, 'URL of an egress proxy that all requests go through.'),
    Setting(
        'ca_bundle',
        '',
        parse_trust,
        'PEM file of the certificate authorities to trust instead of the default ones.',
    ),
    Setting(
        'subscriptions',
        '',
        parse_words,
        'Names of subscriptions that the configuration itself defines, each by '
        '``webhooks.subscription.NAME.to`` and the like.',
    ),
)

_BY_NAME = {row.name: row for row in TABLE}


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The parsed settings; names and defaults are those of :data:`TABLE`.

    Durations are in seconds, sizes in bytes. ``subscription_settings`` maps the name of each
    static subscription to its own settings, as text.
    """

    delivery: str
    concurrency: int
    concurrency_per_subscription: int
    connect_timeout: float
    timeout: float
    retry_schedule: tuple[float, ...]
    retry_jitter: float
    attempt_limit: int
    exhausted_limit: int
    failure_limit: int
    failure_window: float
    precondition_limit: int
    permission: str
    check_initiator: bool
    coalesce: bool
    dialect: str
    allow_http: bool
    allowed_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    allowed_ports: tuple[int, ...]
    max_payload: int
    max_response: int
    memory_limit: int
    secrets_key: tuple[str, ...] | None = dataclasses.field(repr=False)
    lease: float
    rest: bool
    zope_event: bool
    proxy: str | None = dataclasses.field(repr=False)
    ca_bundle: str | None
    subscriptions: tuple[str, ...]
    subscription_settings: Mapping[str, Mapping[str, str]] = dataclasses.field(
        default_factory=dict, repr=False
    )


def parse_settings(source: Mapping[str, Any]) -> Settings:
    """Read every ``webhooks.*`` key of ``source``.

    :param source: the application's settings; values are ini text, or Python values already.
    :raises pyramid.exceptions.ConfigurationError: for an unknown name or a bad value, which it
        names.
    """
    values: dict[str, Any] = {}
    for row in TABLE:
        raw = source.get(PREFIX + row.name)
        given = row.default if raw is None else raw
        try:
            values[row.name] = row.parse(given)
        except ValueError as error:
            shown = '(not shown)' if row.name in ('secrets_key', 'proxy') else repr(given)
            raise ConfigurationError(
                f'The setting {PREFIX}{row.name} = {shown} {error}.'
            ) from None
    _refuse_unknown_names(source)
    values['subscription_settings'] = _subscription_settings(source, values['subscriptions'])
    return Settings(**values)


def _refuse_unknown_names(source: Mapping[str, Any]) -> None:
    for key in source:
        if not isinstance(key, str) or not key.startswith(PREFIX):
            continue
        if key.startswith(SUBSCRIPTION_PREFIX) or key[len(PREFIX) :] in _BY_NAME:
            continue
        close = difflib.get_close_matches(key[len(PREFIX) :], _BY_NAME, n=1)
        hint = f' Did you mean {PREFIX}{close[0]}?' if close else ''
        raise ConfigurationError(f'There is no setting named {key}.{hint}')


def _subscription_settings(
    source: Mapping[str, Any], names: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    if len(set(names)) != len(names):
        raise ConfigurationError(
            f'The setting {PREFIX}subscriptions names a subscription twice: {" ".join(names)}.'
        )
    for name in names:
        if not re.fullmatch(r'[A-Za-z0-9_-]+', name):
            raise ConfigurationError(
                f'The setting {PREFIX}subscriptions has the name {name!r}; use letters, digits, '
                f'hyphens and underscores.'
            )
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for key, value in source.items():
        if not isinstance(key, str) or not key.startswith(SUBSCRIPTION_PREFIX):
            continue
        name, dot, option = key[len(SUBSCRIPTION_PREFIX) :].partition('.')
        if name not in found:
            raise ConfigurationError(
                f'The setting {key} belongs to a subscription {name!r} that '
                f'{PREFIX}subscriptions does not list.'
            )
        if option not in SUBSCRIPTION_KEYS:
            raise ConfigurationError(
                f'There is no setting named {key}; a subscription has '
                f'{", ".join(SUBSCRIPTION_KEYS)}.'
            )
        found[name][option] = value
    for name, options in found.items():
        if not str(options.get('to', '')).strip():
            raise ConfigurationError(
                f'The subscription {name!r} has no target: set {SUBSCRIPTION_PREFIX}{name}.to.'
            )
    return found
