"""Paths and URLs of managers, subscriptions and attempts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pyramid.config import Configurator
from pyramid.interfaces import IResourceURL
from pyramid.traversal import ResourceURL, resource_path
from zope.interface import implementer

from pyramid_webhooks.interfaces import IAttempt, ISubscription, ISubscriptionManager
from pyramid_webhooks.resources.attempts import Attempts


def add_url_adapters(config: Configurator) -> None:
    """Let ``request.resource_url`` return the URLs of the REST services.

    They are below the route prefix that ``config`` has now.
    """
    prefix = '/'.join(part for part in (config.route_prefix or '').split('/') if part)
    factory = RestURLFactory('/' + prefix if prefix else '')
    for kind in (ISubscriptionManager, ISubscription, Attempts, IAttempt):
        config.add_resource_url_adapter(factory, kind)


class RestURLFactory:
    """Makes :class:`RestURL` objects.

    :param prefix: the route prefix, empty or with a slash before it.
    """

    def __init__(self, prefix: str):
        self._prefix = quote(prefix, safe="/~!$&'()*+,;=:@")

    def __call__(self, resource: Any, request: Any) -> RestURL:
        return RestURL(resource, request, self._prefix)


@implementer(IResourceURL)
class RestURL:
    """The URL of something at or below a manager, made of the URL of the folder.

    Like the URLs that Pyramid makes of other resources it ends in a slash.
    """

    def __init__(self, resource: Any, request: Any, prefix: str):
        folder, names = _place(resource)
        base = request.registry.queryMultiAdapter((folder, request), IResourceURL)
        if base is None:
            base = ResourceURL(folder, request)
        below = '/'.join(names) + '/'
        self.physical_path = _slashed(base.physical_path) + below
        self.virtual_path = prefix + _slashed(base.virtual_path) + below
        self.physical_path_tuple = _extended(base.physical_path_tuple, names)
        self.virtual_path_tuple = _extended(base.virtual_path_tuple, names)


def _slashed(path: str) -> str:
    return path if path.endswith('/') else path + '/'


def _extended(path: tuple[str, ...], names: list[str]) -> tuple[str, ...]:
    return ('', *(part for part in path if part), *names, '')


def _place(resource: Any) -> tuple[Any, list[str]]:
    """The folder, and the names from the manager down to ``resource``.

    Those names are safe in URLs as they are. Pyramid's quoting is left alone with them, because
    it remembers every name that it ever met.
    """
    names = []
    while not ISubscriptionManager.providedBy(resource):
        names.append(resource.__name__)
        resource = resource.__parent__
    names.append(resource.__name__)
    return resource.__parent__, names[::-1]


def path_of(resource: Any) -> str:
    """What ``pyramid.traversal.resource_path`` returns for something at or below a manager."""
    folder, names = _place(resource)
    return _slashed(resource_path(folder)) + '/'.join(names)


def url_of(resource: Any, request: Any) -> str:
    """The URL of something at or below a manager, without a slash at the end."""
    return request.resource_url(resource).rstrip('/')
