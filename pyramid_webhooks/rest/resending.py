"""The services that have something sent: a ping, or all that failed once more."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any

from pyramid_webhooks.resources.presenting import attempt_json, recovery_json
from pyramid_webhooks.resources.subscription import EDIT, RETRY
from pyramid_webhooks.rest.access import attempt_seen, needs, subscription_seen
from pyramid_webhooks.rest.body import no_form_of_another_origin, read_body
from pyramid_webhooks.rest.context import find_attempt, find_subscription
from pyramid_webhooks.rest.errors import Refused
from pyramid_webhooks.rest.schemas import Recovery
from pyramid_webhooks.rest.services import make_service
from pyramid_webhooks.rest.validation import valid_body

ping_service = make_service(
    'ping', '/{id}/ping', find_subscription, 'Trying whether a receiver works.'
)
recover_service = make_service(
    'recover', '/{id}/recover', find_subscription, 'Sending again what failed.'
)
retry_service = make_service(
    'retry', '/{id}/attempts/{attempt}/retry', find_attempt, 'Sending a message again.'
)


@ping_service.post(
    validators=(
        subscription_seen,
        needs(EDIT, 'ping this subscription'),
        no_form_of_another_origin,
    )
)
def ping_subscription(request: Any) -> dict[str, Any]:
    """Let a ``webhook.ping`` be sent; it is tried once."""
    with _refused_as('id'):
        attempt = request.context.ping()
    request.response.status_int = 202
    return attempt_json(attempt, request)


@recover_service.post(
    validators=(
        subscription_seen,
        needs(RETRY, 'send again what failed'),
        valid_body,
    ),
    schema=Recovery(),
    deserializer=read_body,
)
def recover_deliveries(request: Any) -> dict[str, Any]:
    """Let every delivery that failed since a certain time be sent again, the oldest first."""
    since: datetime.datetime = request.validated['since']
    with _refused_as('id'):
        recovery = request.context.recover(since)
    request.response.status_int = 202
    return recovery_json(recovery)


@retry_service.post(
    validators=(attempt_seen, needs(RETRY, 'send it again'), no_form_of_another_origin)
)
def retry_attempt(request: Any) -> dict[str, Any]:
    """Let the same message be sent again, in a new attempt."""
    with _refused_as('attempt'):
        attempt = request.context.retry()
    request.response.status_int = 202
    return attempt_json(attempt, request)


@contextlib.contextmanager
def _refused_as(name: str) -> Iterator[None]:
    """Turn what can't be done now into a refusal, of that part of the path."""
    try:
        yield
    except ValueError as error:
        raise Refused(409, 'path', name, str(error)) from None
