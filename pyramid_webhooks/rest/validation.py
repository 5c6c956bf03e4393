"""Cornice validators of a part of the request, of which each schema is put together once.

Those that Cornice has for this make two classes for each request.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import colander
from cornice.validators import colander_validator


def _validator_of(location: str) -> Callable[..., None]:
    @functools.cache
    def of_request(schema: colander.SchemaNode) -> colander.SchemaNode:
        part = schema.clone()
        part.name = location
        whole = colander.MappingSchema()
        whole.add(part)
        return whole

    def validate(request: Any, schema: Any, **arguments: Any) -> None:
        colander_validator(request, schema=of_request(schema), **arguments)
        request.validated.update(request.validated.pop(location, {}))

    return validate


#: The body is what the service's schema describes; its fields become ``request.validated``.
valid_body = _validator_of('body')
#: The same for the query parameters.
valid_query = _validator_of('querystring')
