"""Refusals, as JSON in Cornice's form."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from cornice.errors import Errors
from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import IRendererFactory
from pyramid.response import Response

from pyramid_webhooks.interfaces import InvalidArgument

#: The renderer of all services.
RENDERER = 'webhooksjson'
#: What the arguments of ``create_subscription`` are called in JSON, where that differs.
_FIELDS = {'for_': 'for'}


class Refused(Exception):
    """A request can't be fulfilled. It is raised, so that the transaction is aborted.

    :param status: HTTP status.
    :param location: part of the request, one of those that Cornice knows.
    :param name: name of the field or parameter.
    :param description: what is wrong, as a sentence.
    """

    def __init__(self, status: int, location: str, name: str, description: str):
        super().__init__(f'{name}: {description}')
        self.status = status
        self.location = location
        self.name = name
        self.description = description


def show_refusal(refusal: Refused, request: Any) -> Response:
    """The view of :class:`Refused`."""
    request.errors = Errors(refusal.status)
    request.errors.add(refusal.location, refusal.name, refusal.description)
    renderer = request.registry.getUtility(IRendererFactory, name=RENDERER)
    return renderer.render_errors(request)


@contextlib.contextmanager
def invalid_arguments_refused() -> Iterator[None]:
    """Turn :class:`InvalidArgument` into a refusal of that field of the body."""
    try:
        yield
    except InvalidArgument as error:
        name = _FIELDS.get(error.name, error.name)
        raise Refused(400, 'body', name, error.reason) from None


def forbidden(description: str) -> HTTPForbidden:
    """What is raised for want of a permission.

    The application's own forbidden view shows it, or asks for a login; without one it is JSON.
    """
    error = {'location': 'header', 'name': 'Authorization', 'description': description}
    return HTTPForbidden(
        description,
        content_type='application/json',
        json_body={'status': 'error', 'errors': [error]},
    )
