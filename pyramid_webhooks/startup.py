"""Putting the parts together when the application is configured, and when it starts."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import transaction
from pyramid.config import Configurator
from pyramid.events import ApplicationCreated, NewRequest
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import IRequestExtensions
from pyramid.registry import Registry
from pyramid.security import NO_PERMISSION_REQUIRED
from transaction.interfaces import TransientError
from ZODB.POSException import ReadOnlyError
from zope.interface import Interface
from zope.interface.interfaces import IObjectEvent

from pyramid_webhooks.delivery.destination import DestinationPolicy
from pyramid_webhooks.delivery.engine import Engine, stop_at_exit
from pyramid_webhooks.delivery.retry import RetrySchedule
from pyramid_webhooks.delivery.transport import make_transport
from pyramid_webhooks.emit.authorization import Applicability
from pyramid_webhooks.emit.dispatch import Dispatcher
from pyramid_webhooks.emit.envelopes import BUILT_IN
from pyramid_webhooks.emit.pinging import Pinger
from pyramid_webhooks.interfaces import (
    IApplicability,
    IDeliveryEngine,
    IDestinationPolicy,
    IDispatcher,
    IGlobalManager,
    IMemory,
    InvalidArgument,
    IOverview,
    IOwedDeliveries,
    IPermissionNames,
    IPinger,
    IRetryPolicy,
    ISecretVault,
    ISettings,
    ITransportFactory,
    ITreeDeclarations,
    IWebhookDialect,
)
from pyramid_webhooks.outbox.memory import Memory
from pyramid_webhooks.outbox.overview import Overview
from pyramid_webhooks.outbox.owed import OwedDeliveries
from pyramid_webhooks.outbox.root import FORMAT, Outbox, outbox_of
from pyramid_webhooks.registries import databases_of, memory_of, outbox_databases_of
from pyramid_webhooks.resources.arguments import check_dialect
from pyramid_webhooks.resources.globals import bring_records_in_line
from pyramid_webhooks.resources.keeping import bring_tree_in_line
from pyramid_webhooks.resources.resealing import report_secrets
from pyramid_webhooks.resources.sealed import sealed_index
from pyramid_webhooks.resources.subscription import ADD, ADMIN, DELETE, EDIT, RETRY, VIEW
from pyramid_webhooks.resources.vault import Vault

logger = logging.getLogger(__name__)

#: Commands that make the application only to look at it.
ONE_SHOT_COMMANDS = frozenset(
    ('pshell', 'proutes', 'pviews', 'ptweens', 'prequest', 'pdistreport', 'pwebhooks')
)
_TRIES = 20
#: The least ``memory_limit`` in bytes: an empty outbox takes a part of it.
LEAST_MEMORY = 1 << 20

_only_looking = ContextVar('only looking', default=False)


def register_settings(config: Configurator, settings: Any) -> None:
    """Register the parsed settings, and everything that needs no other part."""
    registry = config.registry
    registry.registerUtility(settings, ISettings)
    registry.registerUtility(Vault(settings.secrets_key or ()), ISecretVault)
    registry.registerUtility(OwedDeliveries(registry), IOwedDeliveries)
    registry.registerUtility(Overview(), IOverview)


def register_defaults(config: Configurator) -> None:
    """Register what the application did not replace, and begin to listen to events."""
    registry = config.registry
    settings = registry.getUtility(ISettings)
    if registry.queryUtility(IDestinationPolicy) is None:
        policy = DestinationPolicy(
            settings.allow_http, settings.allowed_networks, settings.allowed_ports or None
        )
        registry.registerUtility(policy, IDestinationPolicy)
    if registry.queryUtility(IRetryPolicy) is None:
        schedule = RetrySchedule(settings.retry_schedule, settings.retry_jitter)
        registry.registerUtility(schedule, IRetryPolicy)
    if registry.queryUtility(ITransportFactory) is None:
        registry.registerUtility(make_transport, ITransportFactory)
    for name, dialect in BUILT_IN.items():
        if registry.queryUtility(IWebhookDialect, name=name) is None:
            registry.registerUtility(dialect(), IWebhookDialect, name=name)
    registry.registerUtility(PermissionNames(registry), IPermissionNames)
    registry.registerUtility(Applicability(registry), IApplicability)
    registry.registerUtility(Pinger(registry), IPinger)
    dispatcher = Dispatcher(registry)
    registry.registerUtility(dispatcher, IDispatcher)
    registry.registerHandler(dispatcher.dispatch, (IObjectEvent,))
    registry.registerHandler(dispatcher.dispatch, (IObjectEvent, Interface))
    if databases_of(registry):
        registry.registerUtility(Engine(registry), IDeliveryEngine)


def check_default_dialect(registry: Registry) -> None:
    """Refuse a setting ``webhooks.dialect`` that names a dialect that nobody registered."""
    try:
        check_dialect(registry, registry.getUtility(ISettings).dialect)
    except InvalidArgument as error:
        raise ConfigurationError(f'The setting webhooks.dialect: {error.reason}') from None


class PermissionNames:
    """The default permission, our own, and what Pyramid's introspection lists."""

    def __init__(self, registry: Registry):
        self._registry = registry

    def __call__(self) -> set[str]:
        names = {VIEW, ADD, EDIT, DELETE, RETRY, ADMIN}
        names.add(self._registry.getUtility(ISettings).permission)
        for category in ('permissions', 'views'):
            for item in self._registry.introspector.get_category(category) or ():
                for key in ('value', 'permission'):
                    value = item['introspectable'].get(key)
                    if isinstance(value, str):
                        names.add(value)
        return names - {NO_PERMISSION_REQUIRED}


def start(event: ApplicationCreated) -> None:
    """The application was created: bring the databases in line with it, and begin to send."""
    registry = event.app.registry
    settings = registry.getUtility(ISettings)
    manager = registry.getUtility(IGlobalManager)
    declarations = registry.getUtility(ITreeDeclarations)
    unsigned = [each.id for each in manager.values() if not each.secrets]
    unsigned += [each.identity for each in declarations.values() if each.secret is None]
    for name in unsigned:
        logger.warning('The subscription %s has no secret: it is unsigned.', name)
    if not registry.getUtility(IApplicability).can_tell():
        logger.warning(
            'Nobody can tell what the owners of subscriptions may see, so that they get nothing: '
            'give the security policy a method permits_for(userid, context, permission), or use '
            'config.set_webhook_principals.'
        )
    if databases_of(registry):
        prepare_databases(registry)
        report_secrets(registry)
    elif len(manager):
        keep_in_memory(registry)
    report_missing_parts(registry)
    bring_tree_in_line(registry)
    engine = registry.queryUtility(IDeliveryEngine)
    if engine is None or settings.delivery == 'worker' or _only_looking.get():
        return
    # What is in memory is owed by this process alone, and there is nothing before it owes some.
    if not is_one_shot_command() or memory_of(registry) is not None:
        engine.start()
        stop_at_exit(engine)


def report_missing_parts(registry: Registry) -> None:
    """Log what the application does not include, where webhooks would be silent for want of it."""
    if not outbox_databases_of(registry):
        logger.warning(
            'No webhook can be sent: there is neither a ZODB nor a global subscription. Include '
            'pyramid_zodbconn and set zodbconn.uri, or define a subscription in the configuration.'
        )
        return
    extensions = registry.queryUtility(IRequestExtensions)
    if extensions is None or 'tm' not in extensions.descriptors:
        logger.warning(
            'Requests have no transaction: what happens in them is told only if the application '
            'commits by itself. Include pyramid_tm.'
        )


def is_one_shot_command() -> bool:
    """Whether this process was started only to look at the application."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ''
    return os.path.splitext(name)[0] in ONE_SHOT_COMMANDS


@contextmanager
def without_sending() -> Iterator[None]:
    """Applications that are made in this block, by this thread, do not begin to send."""
    before = _only_looking.set(True)
    try:
        yield
    finally:
        _only_looking.reset(before)


def prepare_databases(registry: Registry) -> None:
    """Make the outbox of each database, and the records of the global subscriptions."""
    for name, database in databases_of(registry).items():
        manager = transaction.TransactionManager()
        for attempt in range(_TRIES):
            connection = database.open(transaction_manager=manager)
            try:
                _check_format(name, outbox_of(connection, create=True))
                sealed_index(connection, create=True)
                gone = []
                if name == '':
                    global_manager = registry.getUtility(IGlobalManager)
                    gone = bring_records_in_line(connection, global_manager)
                manager.get().note('webhooks: start')
                manager.commit()
            except ReadOnlyError:
                manager.abort()
                logger.warning('The database %r is read-only: nothing is owed in it.', name)
            except TransientError:
                manager.abort()
                if attempt + 1 == _TRIES:
                    raise
                continue
            finally:
                manager.abort()
                connection.close()
            for id in gone:
                logger.warning(
                    'The global subscription %s is not configured any more, or is another one '
                    'now: what it was owed is dropped.',
                    id,
                )
            break


def keep_in_memory(registry: Registry) -> None:
    """Let the global subscriptions work without ZODB.

    :raises pyramid.exceptions.ConfigurationError: when another process is to send.
    """
    settings = registry.getUtility(ISettings)
    if settings.delivery == 'worker':
        raise ConfigurationError(
            'The setting webhooks.delivery = worker needs a database that this process shares '
            'with the worker. Include pyramid_zodbconn and set zodbconn.uri, or leave it at '
            'process: what is owed is kept in memory then.'
        )
    if settings.memory_limit < LEAST_MEMORY:
        raise ConfigurationError(
            f'The setting webhooks.memory_limit = {settings.memory_limit} is too small to be of '
            f'use; give it at least {LEAST_MEMORY} bytes.'
        )
    manager = registry.getUtility(IGlobalManager)

    def prepare(connection: Any) -> None:
        outbox_of(connection, create=True)
        bring_records_in_line(connection, manager)

    registry.registerUtility(Memory(settings.memory_limit, prepare), IMemory)
    registry.registerUtility(Engine(registry), IDeliveryEngine)
    logger.warning(
        'There is no ZODB: what is owed to global subscriptions, and their histories, are in the '
        'memory of this process alone, and lost when it ends.'
    )


def _check_format(name: str, outbox: Outbox) -> None:
    if outbox.format != FORMAT:
        raise ConfigurationError(
            f'What pyramid_webhooks stored in the database {name!r} has the format '
            f'{outbox.format}; this version needs {FORMAT}. Use the version that wrote it, or '
            f'another database.'
        )


def wake_after_fork(event: NewRequest) -> None:
    """Begin to send in the child of a process that did."""
    registry = event.request.registry
    engine = registry.queryUtility(IDeliveryEngine)
    if engine is not None and engine.continue_after_fork() and memory_of(registry) is None:
        logger.error(
            'This process was forked when the application had been made, with its databases open. '
            'ZODB is not made for that. Let the application be made in each process: without '
            '--preload in gunicorn, with lazy-apps = true in uWSGI.'
        )


def stop_delivery(registry: Any, timeout: float | None = None) -> None:
    """Stop sending: what is in flight finishes and is recorded, the rest stays owed.

    :param timeout: seconds to wait for open requests; by default the setting ``timeout``.
    """
    engine = registry.queryUtility(IDeliveryEngine)
    if engine is not None:
        engine.stop(timeout)
