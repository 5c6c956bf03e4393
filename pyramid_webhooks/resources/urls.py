"""Paths and URLs of managers, subscriptions and attempts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pyramid.config import Configurator
from pyramid.interfaces import IResourceURL
from pyramid.traversal import ResourceURL, resource_path
from pyramid.url import URLMethodsMixin
from zope.interface import implementer, providedBy

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


class Addresses:
    """The URLs and paths of many subscriptions, in one request.

    They are what :func:`url_of` and :func:`path_of` return. Those of one manager differ only in
    their ends, unless the application makes URLs of its own; what they begin with is made once.
    """

    def __init__(self, request: Any):
        self._request = request
        made = getattr(request.resource_url, '__func__', None)
        self._is_pyramids = made is URLMethodsMixin.resource_url
        #: (id of the manager, what the subscription provides) -> manager, and both beginnings.
        self._starts: dict[tuple[int, Any], tuple[Any, str, str]] = {}

    def of(self, subscription: Any) -> tuple[str, str]:
        """The URL of a subscription, without a slash at the end, and its path."""
        manager, kind = subscription.__parent__, providedBy(subscription)
        known = self._starts.get((id(manager), kind))
        if known is not None and getattr(subscription, '__resource_url__', None) is None:
            name = subscription.__name__
            return known[1] + name, known[2] + name
        url, path = url_of(subscription, self._request), path_of(subscription)
        end = '/' + subscription.__name__
        if self._is_ours(subscription, kind) and url.endswith(end) and path.endswith(end):
            length = len(end) - 1
            self._starts[id(manager), kind] = manager, url[:-length], path[:-length]
        return url, path

    def _is_ours(self, subscription: Any, kind: Any) -> bool:
        """Whether it is :class:`RestURL` that the URL is made of."""
        if getattr(subscription, '__resource_url__', None) is not None:
            return False
        asked = kind, providedBy(self._request)
        factory = self._request.registry.adapters.lookup(asked, IResourceURL)
        return self._is_pyramids and isinstance(factory, RestURLFactory)
