"""Dialects: how an event becomes body bytes and headers."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import requests
from pyramid.interfaces import IJSONAdapter, IRendererFactory
from zope.interface import implementer, providedBy

from pyramid_webhooks.interfaces import IWebhookDialect

_NOT_LOOKED_UP: Any = object()
#: Headers that authentication may change although they tell nothing.
_COMMON_HEADERS = frozenset(('Content-Length', 'Content-Type', 'Date'))


@implementer(IWebhookDialect)
class Dialect:
    """The default dialect: the bare representation as JSON, sent with POST.

    :param method: HTTP method.
    :param content_type: content type of the body.
    :param headers: additional request headers, a mapping.
    :param auth: what authenticates the request, as :mod:`requests.auth` has it: a callable that
        changes a prepared request.
    :raises TypeError: for a parameter of the wrong type, which is named.
    """

    method = 'POST'
    content_type = 'application/json'
    secret_headers: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        method: str | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Callable[[Any], Any] | None = None,
    ):
        self.method = method or self.method
        self.content_type = content_type or self.content_type
        for name, value in (('method', self.method), ('content_type', self.content_type)):
            if not isinstance(value, str):
                raise TypeError(f'{name} is {value!r}, which is not a text')
        if headers is not None and not isinstance(headers, Mapping):
            raise TypeError(f'headers is a {type(headers).__name__}, not a mapping')
        if auth is not None and not callable(auth):
            raise TypeError(f'auth is a {type(auth).__name__}, which can not be called')
        self._headers = dict(headers or {})
        self._auth = auth

    def serialize(self, payload: Any, request: Any) -> bytes:
        """The bytes of the data: JSON, with dates in ISO 8601.

        :raises TypeError: for what has no JSON representation.
        :raises ValueError: for NaN, infinities and cycles.
        """
        return render_json(payload, request)

    def body(self, outgoing: Any) -> bytes:
        """The request body; here the data as they are."""
        return outgoing.data

    def headers(self, outgoing: Any) -> Mapping[str, str]:
        """Additional request headers."""
        return self._headers

    def prepare(self, outgoing: Any, body: bytes) -> Any:
        """None: the request is made of the above; with ``auth`` it is prepared for that."""
        if self._auth is None:
            return None
        headers = {'Content-Type': self.content_type, **self.headers(outgoing)}
        request = requests.Request(
            self.method, outgoing.target, headers=headers, data=body
        ).prepare()
        before = dict(request.headers)
        request.prepare_auth(self._auth)
        authenticating = {
            name for name, value in request.headers.items() if before.get(name) != value
        }
        # By the name alone one could not tell that these are secret.
        self.secret_headers |= authenticating - _COMMON_HEADERS
        return request


def render_json(payload: Any, request: Any) -> bytes:
    """UTF-8 JSON by ``__json__``, the JSON adapters of the application, and ISO 8601."""
    adapters = _NOT_LOOKED_UP

    def default(value: Any) -> Any:
        nonlocal adapters
        if hasattr(value, '__json__'):
            return value.__json__(request)
        if adapters is _NOT_LOOKED_UP:
            adapters = _application_adapters(request.registry)
        if adapters is not None:
            adapter = adapters.lookup((providedBy(value),), IJSONAdapter)
            if adapter is not None:
                return adapter(value, request)
        if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
            return value.isoformat()
        if isinstance(value, (uuid.UUID, decimal.Decimal)):
            return str(value)
        raise TypeError(f'{type(value).__qualname__} objects have no JSON representation')

    encoder = json.JSONEncoder(
        default=default, allow_nan=False, ensure_ascii=False, separators=(',', ':')
    )
    return encoder.encode(payload).encode()


def _application_adapters(registry: Any) -> Any:
    renderer = registry.queryUtility(IRendererFactory, name='json')
    components = getattr(renderer, 'components', None)
    return None if components is None else components.adapters
