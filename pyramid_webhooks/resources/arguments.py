"""Checking what a subscription is made of, before anything is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from pyramid.path import DottedNameResolver
from pyramid.registry import Registry
from zope.interface import Interface
from zope.interface.interface import InterfaceClass
from zope.interface.interfaces import IObjectEvent

from pyramid_webhooks.events import dotted_name, pair_key
from pyramid_webhooks.interfaces import (
    DestinationRefused,
    IDestinationPolicy,
    IEventCatalogue,
    InvalidArgument,
    IPermissionNames,
    ISettings,
    IWebhookDialect,
    UnknownEventType,
)
from pyramid_webhooks.resources.redaction import shown_url
from pyramid_webhooks.resources.secrets import check_secret

_LIMITS = {
    'to': 2000,
    'owner': 500,
    'permission': 200,
    'dialect': 100,
    'description': 5000,
    'path': 2000,
}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_RESERVED_HEADERS = frozenset(
    'host content-length transfer-encoding connection keep-alive upgrade te trailer expect '
    'accept-encoding proxy-authorization proxy-connection '
    'webhook-id webhook-timestamp webhook-signature'.split()
)
#: Most secrets that sign at once: each is a signature in every request.
MAX_SECRETS = 5
_HEADERS_LIMIT = 50
_HEADER_LIMIT = 4096
_resolver = DottedNameResolver(None)


class Wanted(NamedTuple):
    """Which events a subscription is for: names and patterns, or a pair of dotted names."""

    events: tuple[str, ...] | None
    for_: str | None
    when: str | None

    def keys(self) -> tuple[str, ...]:
        """The index keys that it is found by."""
        if self.events is not None:
            return self.events
        return (pair_key(self.for_, self.when),)


def check_wanted(registry: Registry, events: Any, for_: Any, when: Any) -> Wanted:
    """Check which events are wanted.

    :raises InvalidArgument: naming ``events``, ``for_`` or ``when``.
    """
    if events is not None:
        if for_ is not None or when is not None:
            raise InvalidArgument('events', 'give either events, or for_ and when, not both.')
        return Wanted(check_events(registry, events), None, None)
    for_ = Interface if for_ is None else _resolve('for_', for_)
    when = IObjectEvent if when is None else _resolve('when', when)
    if not isinstance(for_, (type, InterfaceClass)):
        raise InvalidArgument('for_', f'{for_!r} is neither a class nor an interface.')
    if not isinstance(when, InterfaceClass):
        raise InvalidArgument('when', f'{when!r} is not the interface of an event.')
    return Wanted(None, dotted_name(for_), dotted_name(when))


def check_events(registry: Registry, events: Any) -> tuple[str, ...]:
    """Check a list of names and patterns, or a text of them separated by spaces or commas."""
    if isinstance(events, str):
        events = events.replace(',', ' ').split()
    if not isinstance(events, (list, tuple, set, frozenset)) or not events:
        raise InvalidArgument('events', 'name at least one event type or pattern, as a list.')
    try:
        return registry.getUtility(IEventCatalogue).check(events)
    except UnknownEventType as error:
        raise InvalidArgument('events', str(error)) from None


def _resolve(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return _resolver.resolve(value)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidArgument(name, f'{value!r} can not be imported: {error}.') from None


def check_text(name: str, value: Any, *, empty: bool = False) -> str:
    """Check a text: its type, its length, no control characters."""
    if not isinstance(value, str):
        raise InvalidArgument(name, f'must be a text, not {type(value).__name__}.')
    if len(value) > _LIMITS[name]:
        raise InvalidArgument(name, f'is longer than {_LIMITS[name]} characters.')
    if not value and not empty:
        raise InvalidArgument(name, 'must not be empty.')
    control = '\0' if name == 'description' else ''.join(map(chr, range(32)))
    if any(character in value for character in control):
        raise InvalidArgument(name, 'must not contain control characters.')
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(name, 'must be valid Unicode text.') from None
    return value


def check_owner(owner: Any) -> str | None:
    """Check a userid; None is nobody's.

    Pyramid's principals that stand for many, such as ``system.Everyone``, own nothing: they would
    be granted what owners may do.
    """
    if owner is None:
        return None
    if check_text('owner', owner).startswith('system.'):
        raise InvalidArgument('owner', f'{owner!r} is a group of principals, not a userid.')
    return owner


def check_target(registry: Registry, to: Any) -> str:
    """Check a target URL by its form and by the destination policy.

    Whatever the policy of the application allows, a password is not kept where URLs are shown.
    """
    check_text('to', to)
    if shown_url(to) != to:
        raise InvalidArgument(
            'to', 'has a user name or password in it; put credentials into a header instead.'
        )
    try:
        registry.getUtility(IDestinationPolicy).check_url(to)
    except DestinationRefused as error:
        raise InvalidArgument('to', str(error)) from None
    return to


def check_dialect(registry: Registry, dialect: Any) -> str | None:
    """Check that the dialect is registered; None is the one of the settings."""
    if dialect is None or dialect == '':
        return dialect
    check_text('dialect', dialect)
    if registry.queryUtility(IWebhookDialect, name=dialect) is None:
        known = sorted(name for name, _ in registry.getUtilitiesFor(IWebhookDialect) if name)
        listed = ', '.join(known) or 'only the default one, which has no name'
        raise InvalidArgument('dialect', f'There is no dialect {dialect!r}; there is: {listed}.')
    return dialect


def check_permission(registry: Registry, permission: Any) -> str | None:
    """Check that somebody defines the permission; None is the one of the settings."""
    if permission is None:
        return None
    check_text('permission', permission)
    if permission == registry.getUtility(ISettings).permission:
        return permission
    defined = registry.getUtility(IPermissionNames)()
    if permission not in defined:
        listed = ', '.join(sorted(defined))
        raise InvalidArgument(
            'permission', f'There is no permission {permission!r}; there is: {listed}.'
        )
    return permission


def check_headers(headers: Any) -> dict[str, str]:
    """Check additional request headers: a mapping of texts that can be sent as they are."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise InvalidArgument('headers', 'must be a mapping of header names to values.')
    if len(headers) > _HEADERS_LIMIT:
        raise InvalidArgument('headers', f'there are more than {_HEADERS_LIMIT} of them.')
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.match(name):
            raise InvalidArgument('headers', f'{name!r} can not be the name of a header.')
        if name.lower() in _RESERVED_HEADERS:
            raise InvalidArgument('headers', f'{name} is set by the sender itself.')
        if not isinstance(value, str) or len(value) > _HEADER_LIMIT:
            raise InvalidArgument(
                'headers',
                f'the value of {name} must be a text of at most {_HEADER_LIMIT} characters.',
            )
        if not _is_sendable(value):
            raise InvalidArgument(
                'headers', f'the value of {name} has characters that can not be sent.'
            )
    return dict(headers)


def _is_sendable(value: str) -> bool:
    return all(
        character == '\t' or (' ' <= character <= '\xff' and character != '\x7f')
        for character in value
    )


def check_path(path: Any) -> tuple[str, ...]:
    """Check the path of a folder, below the application's root object.

    :param path: as ``resource_path`` writes it; what need not be quoted for people may be plain.
    :returns: the names on the way down; none for ``/``.
    """
    check_text('path', path)
    if not path.startswith('/'):
        raise InvalidArgument('path', f'{path!r} does not begin with a slash, as in /NWS/OUN.')
    try:
        names = tuple(unquote(name, errors='strict') for name in path.split('/') if name)
    except UnicodeDecodeError:
        raise InvalidArgument('path', f'{path!r} is not UTF-8 when it is unquoted.') from None
    if {'.', '..'} & set(names):
        raise InvalidArgument('path', f'{path!r} must go straight down, without . and .. in it.')
    return names


def check_signing_secret(secret: Any) -> str:
    """Check a signing secret; the error never shows it."""
    if not isinstance(secret, str):
        raise InvalidArgument('secret', 'must be a text that begins with whsec_ or whsk_.')
    try:
        check_secret(secret)
    except ValueError as error:
        raise InvalidArgument('secret', str(error)) from None
    return secret


def check_signing_secrets(secrets: Any) -> str | None:
    """Check what the configuration gives as secret: one or several, newest first, or None."""
    if secrets is None:
        return None
    texts = secrets.split() if isinstance(secrets, str) else [secrets]
    if not 1 <= len(texts) <= MAX_SECRETS:
        raise InvalidArgument('secret', f'give one secret, or up to {MAX_SECRETS}.')
    return ' '.join(map(check_signing_secret, texts))
