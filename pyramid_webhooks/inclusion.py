"""Including the package in an application: everything that it registers begins here."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated, NewRequest
from pyramid.exceptions import ConfigurationError

from pyramid_webhooks.directives import (
    DEFAULTS_ORDER,
    DIRECTIVES,
    SUBSCRIPTIONS_ORDER,
)
from pyramid_webhooks.emit.api import RequestWebhooks
from pyramid_webhooks.emit.bridge import install_bridge
from pyramid_webhooks.events import EventCatalogue
from pyramid_webhooks.interfaces import (
    IEventCatalogue,
    IGlobalManager,
    ITreeDeclarations,
)
from pyramid_webhooks.registries import remember_registry
from pyramid_webhooks.resources.declared import TreeDeclarations
from pyramid_webhooks.resources.globals import GlobalManager
from pyramid_webhooks.resources.traversal import wrap_traversers
from pyramid_webhooks.settings import parse_settings
from pyramid_webhooks.startup import (
    check_default_dialect,
    register_defaults,
    register_settings,
    start,
    wake_after_fork,
)

_SETTINGS_ORDER = -100


def includeme(config: Configurator) -> None:
    """Add the directives, ``request.webhooks``, the REST services, and what is behind them.

    :raises pyramid.exceptions.ConfigurationError: for a setting that can't be used.
    """
    registry = config.registry
    for directive in DIRECTIVES:
        config.add_directive(directive.__name__, directive)
    registry.registerUtility(EventCatalogue(), IEventCatalogue)
    registry.registerUtility(GlobalManager(), IGlobalManager)
    registry.registerUtility(TreeDeclarations(), ITreeDeclarations)
    remember_registry(registry)
    settings = parse_settings(registry.settings)

    def final_settings() -> None:
        register_settings(config, parse_settings(registry.settings))

    config.action('webhook settings', final_settings, order=_SETTINGS_ORDER)
    config.action('webhook defaults', register_defaults, (config,), order=DEFAULTS_ORDER)
    config.action(
        'webhook default dialect', check_default_dialect, (registry,), order=SUBSCRIPTIONS_ORDER
    )
    for name in settings.subscriptions:
        _add_from_settings(config, name, settings.subscription_settings[name])
    config.add_request_method(RequestWebhooks, 'webhooks', reify=True)
    config.add_subscriber(start, ApplicationCreated)
    config.add_subscriber(wake_after_fork, NewRequest)
    wrap_traversers(config)
    if settings.rest:
        config.include('pyramid_webhooks.rest')
    if settings.zope_event:
        install_bridge()


def _add_from_settings(config: Configurator, name: str, options: Any) -> None:
    keywords = {key: value for key, value in options.items() if str(value).strip()}
    keywords['for_'] = keywords.pop('for', None)
    headers = keywords.pop('headers', None)
    if isinstance(headers, str):
        lines = [line for line in headers.splitlines() if line.strip()]
        if not all(':' in line for line in lines):
            raise ConfigurationError(
                f'The setting webhooks.subscription.{name}.headers has a line without a colon; '
                f'write one header a line, such as X-Name: value.'
            )
        pairs = [line.partition(':')[::2] for line in lines]
        headers = {key.strip(): value.strip() for key, value in pairs}
    config.add_webhook_subscription(name=name, headers=headers, **keywords)
