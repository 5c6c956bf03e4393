"""The request that resolvers and renderers get."""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import IRequestFactory
from pyramid.registry import Registry
from pyramid.request import Request, apply_request_extensions
from pyramid.threadlocal import get_current_request


def request_for(registry: Registry) -> Any:
    """The current request of the application, or a blank one made from its registry."""
    request = get_current_request()
    if request is not None and getattr(request, 'registry', None) is registry:
        return request
    factory = registry.queryUtility(IRequestFactory, default=Request)
    request = factory.blank('/')
    request.registry = registry
    apply_request_extensions(request)
    return request


def current_request(registry: Registry) -> Any:
    """The current request of the application, or None."""
    request = get_current_request()
    if request is not None and getattr(request, 'registry', None) is registry:
        return request
    return None
