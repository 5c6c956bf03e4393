"""Making subscriptions as a request asks for them."""

from __future__ import annotations

from typing import Any

from pyramid_webhooks.interfaces import ISettings
from pyramid_webhooks.resources.finding import manager_of
from pyramid_webhooks.resources.presenting import secret_json, subscription_json
from pyramid_webhooks.resources.secrets import new_secret
from pyramid_webhooks.resources.subscribing import forget_manager, subscribe
from pyramid_webhooks.resources.subscription import ADMIN
from pyramid_webhooks.rest.access import authenticated, demand
from pyramid_webhooks.rest.errors import Refused, invalid_arguments_refused


def create(request: Any, folder: Any, events: list[str]) -> dict[str, Any]:
    """Make a subscription in ``folder`` of the validated fields, and the response about it.

    :raises Refused: when a field can't be used; nothing is left behind then.
    :raises pyramid.httpexceptions.HTTPForbidden: when the caller may not make such a one.
    """
    values = dict(request.validated)
    userid = authenticated(request)
    if values['owner'] is None:
        values['owner'] = userid
    _check_ambition(request, values, userid)
    values['events'] = events
    scheme = values.pop('scheme')
    if values['secret'] is None and scheme is not None:
        values['secret'] = new_secret(scheme)
    missing = manager_of(folder) is None
    if missing:
        _make_manager(folder)
    try:
        with invalid_arguments_refused():
            subscription = subscribe(folder, **values)
    except BaseException:
        if missing:
            forget_manager(folder)
        raise
    request.response.status_int = 201
    shown = subscription_json(subscription, request)
    request.response.location = shown['url']
    return {**shown, **secret_json(subscription)}


def _check_ambition(request: Any, values: dict[str, Any], userid: str) -> None:
    if values['owner'] != userid:
        demand(request, ADMIN, request.context, 'name another owner')
    default = request.registry.getUtility(ISettings).permission
    if values['permission'] not in (None, default):
        demand(request, ADMIN, request.context, 'name a permission other than the default')


def _make_manager(folder: Any) -> None:
    try:
        manager_of(folder, create=True)
    except TypeError as error:
        raise Refused(409, 'path', 'path', str(error)) from None
