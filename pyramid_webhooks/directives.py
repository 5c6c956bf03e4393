"""The directives: ``config.add_webhook_*`` and ``config.set_webhook_*``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from pyramid.config import Configurator
from zope.interface import Interface, providedBy
from zope.interface.interface import InterfaceClass
from zope.interface.interfaces import IObjectEvent
from zope.lifecycleevent.interfaces import IObjectRemovedEvent

from pyramid_webhooks.declaration import Declaration
from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.emit.payloads import adapter_of
from pyramid_webhooks.events import EventType, dotted_name, specification
from pyramid_webhooks.interfaces import (
    IDestinationPolicy,
    IDispatcher,
    IEventCatalogue,
    IGlobalManager,
    InvalidArgument,
    IPrincipalsResolver,
    IRetryPolicy,
    ISubscriptionFactory,
    ISubscriptionFinder,
    ITransportFactory,
    ITreeDeclarations,
    IWebhookDialect,
    IWebhookPayload,
)
from pyramid_webhooks.resources.arguments import (
    check_dialect,
    check_headers,
    check_owner,
    check_path,
    check_permission,
    check_signing_secrets,
    check_target,
    check_text,
    check_wanted,
)
from pyramid_webhooks.resources.declared import TreeDeclaration
from pyramid_webhooks.resources.globals import GlobalSubscription, digest_id
from pyramid_webhooks.resources.leaving import OwnerRemoval

#: Orders of actions: what others may replace comes first, what builds on it later.
DEFAULTS_ORDER = 100
SUBSCRIPTIONS_ORDER = 200
TRAVERSERS_ORDER = 1000
_CREDENTIALS = re.compile(r'//[^/?#]*@')


def add_webhook_event(
    config: Configurator,
    name: str,
    for_: Any = None,
    when: Any = None,
    *,
    owner_of: Callable[[Any], Any] | None = None,
    schema: Mapping[str, Any] | None = None,
    description: str = '',
    example: Any = None,
) -> None:
    """Add an event type to the catalogue.

    :param name: ``noun.verb``.
    :param for_: class or interface of the objects, or its dotted name; None carries any payload.
    :param when: interface of the events, or its dotted name; None: it is fired by name only.
    :param owner_of: callable (object) -> the only owner whose subscriptions may get it.
    :param schema: JSON schema of the payload.
    :param example: an example payload.
    :raises ConfigurationError: for a bad name, or what is no type or interface. A second event
        type of the same name, or for the same pair, is a conflict.
    """
    declared = Declaration(config, f'The event {name!r}')
    declared.text('name', name)
    for_, when = declared.type_('for_', for_), declared.interface('when', when)
    owner_of = None if owner_of is None else declared.callable_('owner_of', owner_of)
    if schema is not None and not isinstance(schema, Mapping):
        declared.refuse('schema', f'{schema!r} is not a mapping.')
    declared.json('schema', schema)
    declared.json('example', example)
    declared.text('description', description, empty=True)
    event_type = EventType(name, for_, when, owner_of, schema, description, example)
    registry = config.registry

    def register() -> None:
        try:
            registry.getUtility(IEventCatalogue).add(event_type)
        except ValueError as error:
            declared.refuse('name', str(error))

    def listen() -> None:
        if when is None:
            return
        # Where the application overrides an include it has the last word on the name, too.
        registry.getUtility(IEventCatalogue).prefer(event_type)
        if not specification(when).isOrExtends(IObjectEvent):
            dispatcher = registry.getUtility(IDispatcher)
            registry.registerHandler(dispatcher.dispatch, (when,))
            registry.registerHandler(dispatcher.dispatch, (when, Interface))

    introspectable = config.introspectable('webhook events', name, name, 'webhook event')
    introspectable.update({'name': name, 'for_': for_, 'when': when, 'description': description})
    config.action(('webhook event', name), register, introspectables=(introspectable,))
    pair = None
    if when is not None:
        pair = ('webhook event pair', dotted_name(for_ or Interface), dotted_name(when))
    config.action(pair, listen, order=DEFAULTS_ORDER + 1)


def add_webhook_subscription(
    config: Configurator,
    to: str,
    *,
    name: str | None = None,
    events: Any = None,
    for_: Any = None,
    when: Any = None,
    owner: str | None = None,
    permission: str | None = None,
    dialect: str | None = None,
    secret: str | None = None,
    headers: Mapping[str, str] | None = None,
    description: str = '',
    path: str | None = None,
) -> None:
    """Add a global subscription, or one that is kept in the tree.

    :param to: target URL.
    :param name: its identity over restarts; by default a digest of the parameters.
    :param secret: ``whsec_`` secret or ``whsk_`` private key; several, separated by spaces and the
        newest first, all sign. Without one its requests are not signed.
    :param path: path of the folder that keeps it, below the application's root object; when the
        application starts, it is added there, or the one that is there is brought in line.
        Without a path it is global.

    The other parameters are those of ``manager.create_subscription``.

    :raises ConfigurationError: for a value that can't be used, which it names. A second
        subscription of the same name is a conflict.
    """
    label = str(name or _CREDENTIALS.sub('//…@', str(to)))
    declared = Declaration(config, f'The subscription {label}')
    if name is not None and not (isinstance(name, str) and is_subscription_id(name)):
        declared.refuse(
            'name',
            f'{name!r} is taken, or not of letters, digits, hyphens and underscores.',
        )
    if secret is not None or headers is not None:
        declared.hide_source()
    registry = config.registry

    def register() -> None:
        try:
            values = {
                'wanted': check_wanted(registry, events, for_, when),
                'to': check_target(registry, to),
                'owner': check_owner(owner),
                'permission': check_permission(registry, permission),
                'dialect': check_dialect(registry, dialect),
                'secret': check_signing_secrets(secret),
                'headers': check_headers(headers),
                'description': check_text('description', description, empty=True),
            }
            if path is not None:
                values['place'] = check_path(path)
        except InvalidArgument as error:
            declared.refuse(error.name, error.reason)
        if path is None:
            manager = registry.getUtility(IGlobalManager)
            manager.add(GlobalSubscription(name or _unnamed_id(manager, values), **values))
        else:
            declarations = registry.getUtility(ITreeDeclarations)
            identity = name or _unnamed_id(declarations, values)
            declarations[identity] = TreeDeclaration(identity, **values)

    introspectable = config.introspectable(
        'webhook subscriptions', name or id(register), label, 'webhook subscription'
    )
    introspectable.update({'name': name, 'to': to, 'events': events, 'owner': owner, 'path': path})
    discriminator = None if name is None else ('webhook subscription', name)
    config.action(
        discriminator, register, introspectables=(introspectable,), order=SUBSCRIPTIONS_ORDER
    )


def is_subscription_id(text: str) -> bool:
    """Whether ``text`` may be the id of a subscription."""
    plain = text.replace('-', '').replace('_', '')
    return (plain.isalnum() and plain.isascii() or bool(text) and not plain) and text != 'events'


def _unnamed_id(others: Any, arguments: Mapping[str, Any]) -> str:
    arguments = {key: value for key, value in arguments.items() if key != 'secret'}
    arguments['wanted'] = tuple(arguments['wanted'])
    ordinal = 1
    while digest_id(arguments, ordinal) in others:
        ordinal += 1
    return digest_id(arguments, ordinal)


def add_webhook_dialect(config: Configurator, name: str, dialect: Any) -> None:
    """Add a dialect.

    :param dialect: an object that provides ``IWebhookDialect``, a class of such objects, or the
        dotted name of either; or, for one that is like the default one, a mapping with some of
        ``method``, ``content_type``, ``headers`` and ``auth``.
    :raises ConfigurationError: for something else. A second dialect of a name is a conflict.
    """
    declared = Declaration(config, f'The dialect {name!r}')
    declared.text('name', name, empty=True)
    dialect = declared.resolve('dialect', dialect)
    if isinstance(dialect, Mapping):
        declared.hide_source()
        try:
            dialect = Dialect(**dialect)
        except TypeError as error:
            declared.refuse('dialect', f'it can not be made of that mapping: {error}.')
    if inspect.isclass(dialect):
        try:
            dialect = dialect()
        except TypeError as error:
            declared.refuse('dialect', f'{dialect!r} can not be made without arguments: {error}.')
    if not IWebhookDialect.providedBy(dialect):
        declared.refuse('dialect', f'{dialect!r} does not provide IWebhookDialect.')
    _set_utility(config, 'webhook dialects', dialect, IWebhookDialect, name)


def add_webhook_payload(
    config: Configurator,
    factory: Any,
    for_: Any,
    when: Any = None,
    dialect: str | None = None,
) -> None:
    """Say what is sent for objects of a type.

    :param factory: callable (object), or (object, event) with ``when``, that returns what is to
        be rendered as JSON; None passes on to the next factory that fits. One that has a
        parameter ``subscription`` is called for each subscription, with that as a keyword.
    :param for_: class or interface of the objects.
    :param when: interface of the events.
    :param dialect: for this dialect only.
    :raises ConfigurationError: for a value that can't be used, which it names. A second factory
        for the same types and dialect is a conflict.
    """
    declared = Declaration(config, f'The payload for {for_!r}')
    factory = declared.callable_('factory', factory)
    for_, when = declared.type_('for_', for_), declared.interface('when', when)
    if dialect is not None:
        declared.text('dialect', dialect, empty=True)
    for_ = Interface if for_ is None else for_
    required = (for_,) if when is None else (for_, when)

    def register() -> None:
        try:
            check_dialect(config.registry, dialect)
        except InvalidArgument as error:
            declared.refuse(error.name, error.reason)
        adapter = adapter_of(factory, len(required))
        config.registry.registerAdapter(adapter, required, IWebhookPayload, dialect or '')

    introspectable = config.introspectable(
        'webhook payloads', (required, dialect), repr(required), 'webhook payload'
    )
    introspectable.update({'factory': factory, 'for_': for_, 'when': when, 'dialect': dialect})
    discriminator = ('webhook payload', required, dialect or '')
    config.action(
        discriminator, register, introspectables=(introspectable,), order=SUBSCRIPTIONS_ORDER
    )


def add_webhook_owner_removal(
    config: Configurator,
    for_: Any,
    when: Any = IObjectRemovedEvent,
    *,
    owner_id: Callable[[Any], str] | None = None,
) -> None:
    """Remove the subscriptions of a user, everywhere, when the user goes.

    :param for_: class or interface of the users, or its dotted name.
    :param when: interface of the events that say that a user goes, or its dotted name.
    :param owner_id: callable (user) -> userid; by default an adapter to ``IWebhookOwner`` knows.
    :raises ConfigurationError: naming what can't be used.
    """
    declared = Declaration(config, 'The removal of owners')
    for_, when = declared.type_('for_', for_), declared.interface('when', when)
    if for_ is None or when is None:
        declared.refuse('for_' if for_ is None else 'when', 'is needed.')
    if owner_id is not None:
        owner_id = declared.callable_('owner_id', owner_id)
    registry = config.registry

    def register() -> None:
        removal = OwnerRemoval(registry, for_, owner_id)
        registry.registerHandler(removal.hear, (when,))
        registry.registerHandler(removal.hear, (when, Interface))

    introspectable = config.introspectable(
        'webhook owner removals', (for_, when), dotted_name(for_), 'webhook owner removal'
    )
    introspectable.update({'for_': for_, 'when': when, 'owner_id': owner_id})
    discriminator = ('webhook owner removal', for_, when)
    config.action(discriminator, register, introspectables=(introspectable,))


def set_webhook_principals(config: Configurator, resolver: Any) -> None:
    """Say who somebody is: ``resolver(userid, request)`` -> principals, or None for nobody."""
    _set_callable(config, 'resolver', resolver, IPrincipalsResolver)


def set_webhook_finder(config: Configurator, finder: Any) -> None:
    """Replace the finder of subscriptions; see ``ISubscriptionFinder``."""
    _set_callable(config, 'finder', finder, ISubscriptionFinder)


def set_webhook_transport(config: Configurator, factory: Any) -> None:
    """Replace the transport: ``factory(settings, policy)`` -> an adapter made for requests."""
    _set_callable(config, 'factory', factory, ITransportFactory)


def set_webhook_subscription_factory(config: Configurator, cls: Any) -> None:
    """Replace the class of the subscriptions that managers make."""
    _set_callable(config, 'cls', cls, ISubscriptionFactory)


def set_webhook_destination_policy(config: Configurator, policy: Any) -> None:
    """Replace the judge of target URLs and addresses; see ``IDestinationPolicy``."""
    _set_object(config, policy, IDestinationPolicy, ('check_url', 'check_address'))


def set_webhook_retry_policy(config: Configurator, policy: Any) -> None:
    """Replace the schedule of retries; see ``IRetryPolicy``."""
    _set_object(config, policy, IRetryPolicy, ('next_delay',))


def _set_callable(config: Configurator, field: str, value: Any, interface: InterfaceClass) -> None:
    declared = Declaration(config, f'What is set as {interface.__name__}')
    _set_utility(config, 'webhook policies', declared.callable_(field, value), interface)


def _set_object(
    config: Configurator, value: Any, interface: InterfaceClass, methods: tuple[str, ...]
) -> None:
    declared = Declaration(config, f'What is set as {interface.__name__}')
    value = declared.resolve('policy', value)
    for method in methods:
        if not callable(getattr(value, method, None)):
            declared.refuse('policy', f'{value!r} has no method {method}.')
    _set_utility(config, 'webhook policies', value, interface)


def _set_utility(
    config: Configurator,
    category: str,
    value: Any,
    interface: InterfaceClass,
    name: str = '',
) -> None:
    def register() -> None:
        config.registry.registerUtility(value, interface, name)

    title = name or interface.__name__
    introspectable = config.introspectable(category, title, title, category[:-1])
    introspectable['value'] = value
    introspectable['provides'] = tuple(providedBy(value))
    config.action((interface, name), register, introspectables=(introspectable,))


DIRECTIVES = (
    add_webhook_event,
    add_webhook_subscription,
    add_webhook_dialect,
    add_webhook_payload,
    add_webhook_owner_removal,
    set_webhook_principals,
    set_webhook_finder,
    set_webhook_transport,
    set_webhook_subscription_factory,
    set_webhook_destination_policy,
    set_webhook_retry_policy,
)
