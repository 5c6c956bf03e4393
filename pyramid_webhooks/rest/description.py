"""The services, described as an OpenAPI document."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

from pyramid_webhooks.resources.urls import url_of
from pyramid_webhooks.rest.context import find_manager
from pyramid_webhooks.rest.services import make_service

description_service = make_service(
    'description', '/openapi.json', find_manager, 'What there is here, for programs.'
)


@functools.cache
def description() -> dict[str, Any]:
    """The OpenAPI document, as it is in the file; not to be changed."""
    return json.loads(files('pyramid_webhooks.rest').joinpath('openapi.json').read_text('utf-8'))


@description_service.get()
def get_description(request: Any) -> dict[str, Any]:
    """The OpenAPI document of this folder's services. It is the same for everybody."""
    server = {'url': url_of(request.context, request).rstrip('/')}
    return {**description(), 'servers': [server]}
