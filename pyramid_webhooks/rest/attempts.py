"""The services of a subscription's attempts."""

from __future__ import annotations

from typing import Any

from pyramid_webhooks.resources.presenting import attempt_json
from pyramid_webhooks.rest.access import attempt_seen, attempts_seen
from pyramid_webhooks.rest.body import read_query
from pyramid_webhooks.rest.context import find_attempt, find_attempts
from pyramid_webhooks.rest.errors import Refused
from pyramid_webhooks.rest.schemas import AttemptQuery
from pyramid_webhooks.rest.services import make_service
from pyramid_webhooks.rest.validation import valid_query

attempts_service = make_service(
    'attempts', '/{id}/attempts', find_attempts, 'The attempts of a subscription.'
)
attempt_service = make_service('attempt', '/{id}/attempts/{attempt}', find_attempt, 'An attempt.')


@attempts_service.get(
    validators=(attempts_seen, valid_query),
    schema=AttemptQuery(),
    deserializer=read_query,
)
def list_attempts(request: Any) -> dict[str, Any]:
    """A page of attempts, oldest first, pending ones included."""
    try:
        found, following = request.context.page(**request.validated)
    except ValueError as error:
        raise Refused(400, 'querystring', 'after', f'This cursor is dead: {error}.') from None
    return {'attempts': [attempt_json(each, request) for each in found], 'next': following}


@attempt_service.get(validators=(attempt_seen,))
def get_attempt(request: Any) -> dict[str, Any]:
    """One attempt, with request and response."""
    return attempt_json(request.context, request)
