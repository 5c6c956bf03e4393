"""The service that rotates the signing secret of a subscription."""

from __future__ import annotations

from typing import Any

from pyramid_webhooks.resources.presenting import secret_json
from pyramid_webhooks.resources.secrets import new_secret
from pyramid_webhooks.resources.subscription import EDIT
from pyramid_webhooks.rest.access import needs, subscription_seen
from pyramid_webhooks.rest.body import no_form_of_another_origin, read_body
from pyramid_webhooks.rest.context import find_subscription
from pyramid_webhooks.rest.errors import invalid_arguments_refused
from pyramid_webhooks.rest.schemas import Rotation
from pyramid_webhooks.rest.services import make_service
from pyramid_webhooks.rest.subscriptions import changeable
from pyramid_webhooks.rest.validation import valid_body

rotation_service = make_service(
    'rotation', '/{id}/secret/rotate', find_subscription, 'Rotating the signing secret.'
)


@rotation_service.post(
    validators=(
        subscription_seen,
        needs(EDIT, 'rotate the secret of this subscription'),
        changeable,
        no_form_of_another_origin,
        valid_body,
    ),
    schema=Rotation(),
    deserializer=read_body,
)
def rotate_secret(request: Any) -> dict[str, Any]:
    """Sign with a new secret, which only this answer has, and for a while with the old ones."""
    values = request.validated
    scheme, secret = values['scheme'], values['secret']
    if secret is None and scheme is not None:
        secret = new_secret(scheme)
    with invalid_arguments_refused():
        request.context.rotate_secret(values['overlap'], secret)
    return secret_json(request.context)
