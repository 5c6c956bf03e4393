"""Cornice services, registered without Cornice's effects on the rest of the application.

Cornice's ``includeme`` adds exception views, a subscriber that changes every response, and a view
predicate. The services here need none of them: what they need is in their own route factories,
their own renderer and their own exception view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cornice import Service
from cornice.pyramidhook import register_service_views
from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED

from pyramid_webhooks.interfaces import MANAGER_NAME
from pyramid_webhooks.rest.errors import RENDERER

#: Any resource path, the root's included.
_FOLDER = '/{path:(?:.*/)?}' + MANAGER_NAME
#: What may follow; the URLs that ``request.resource_url`` makes end in a slash.
_END = '{slash:/?}'


def make_service(name: str, path: str, factory: Callable[[Any], Any], description: str) -> Service:
    """Make a service.

    Permissions are checked by the services themselves, and they need no CSRF token, see
    :mod:`pyramid_webhooks.rest.body`; so the application's defaults for views don't matter.

    :param path: what follows the name of the manager.
    :param factory: the route factory; it finds the context.
    """
    return Service(
        name=f'pyramid_webhooks.{name}',
        path=_FOLDER + path + _END,
        factory=factory,
        description=description,
        renderer=RENDERER,
        permission=NO_PERMISSION_REQUIRED,
        require_csrf=False,
        depth=2,
    )


def register_services(config: Configurator, services: Iterable[Service]) -> None:
    """Register services, whether or not the application uses Cornice itself."""
    registry = config.registry
    of_application = hasattr(registry, 'cornice_services')
    if not of_application:
        registry.cornice_services = {}
    try:
        for service in services:
            register_service_views(config, service)
    finally:
        if not of_application:
            # Others take it as the sign that Cornice has been included.
            del registry.cornice_services
