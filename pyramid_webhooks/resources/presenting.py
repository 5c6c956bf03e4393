"""Subscriptions, attempts and event types as JSON."""

from __future__ import annotations

import base64
import codecs
import datetime
from collections.abc import Iterable
from typing import Any

from pyramid_webhooks.events import EventType
from pyramid_webhooks.interfaces import UnreadableSecret
from pyramid_webhooks.resources.attempts import NAME as ATTEMPTS
from pyramid_webhooks.resources.message import utc
from pyramid_webhooks.resources.redaction import shown_headers
from pyramid_webhooks.resources.urls import Addresses, url_of


def _time(value: Any) -> str | None:
    if value is None:
        return None
    if value.tzinfo is datetime.UTC:
        # As below, but the most of them are such, and it takes half as long without an offset.
        return f'{value.date().isoformat()}T{value.time().isoformat()}Z'
    text: str = value.isoformat()
    return text[:-6] + 'Z' if text.endswith('+00:00') else text


def subscription_json(subscription: Any, request: Any) -> dict[str, Any]:
    """A subscription; ``for`` and ``when`` are dotted names, secrets are left out."""
    [shown] = subscriptions_json((subscription,), request)
    return shown


def subscriptions_json(subscriptions: Iterable[Any], request: Any) -> list[dict[str, Any]]:
    """Subscriptions, each as :func:`subscription_json` shows it; for many it is cheaper."""
    addresses = Addresses(request)
    return [_subscription_json(each, addresses) for each in subscriptions]


def _subscription_json(subscription: Any, addresses: Addresses) -> dict[str, Any]:
    url, path = addresses.of(subscription)
    shown = subscription.shown(_values_json).copy()
    if shown['events'] is not None:
        shown['events'] = shown['events'].copy()
    shown['headers'] = shown['headers'].copy()
    shown['url'] = url
    shown['path'] = path
    shown['attempts_url'] = f'{url}/{ATTEMPTS}'
    shown.update(public_keys_json(subscription))
    return shown


def _values_json(subscription: Any) -> dict[str, Any]:
    """What can be said of a subscription without a request; places for the rest."""
    events, for_, when = subscription.wanted
    return {
        'id': subscription.id,
        'url': None,
        'path': None,
        'kind': subscription.kind,
        'to': subscription.to,
        'events': None if events is None else list(events),
        'for': for_,
        'when': when,
        'owner': subscription.owner,
        'permission': subscription.permission,
        'dialect': subscription.dialect,
        'active': subscription.active,
        'status_message': subscription.status_message,
        'headers': shown_headers(subscription.headers),
        'description': subscription.description,
        'created': _time(subscription.created),
        'modified': _time(subscription.modified),
        'attempts_url': None,
    }


def public_keys_json(subscription: Any) -> dict[str, Any]:
    """``public_keys``, newest first, where a subscription signs with ed25519 keys."""
    try:
        keys = subscription.public_keys
    except UnreadableSecret:
        # It is an error of the configuration, which nobody who sees this can mend.
        keys = ()
    return {'public_keys': list(keys)} if keys else {}


def secret_json(subscription: Any) -> dict[str, Any]:
    """The newest secret of a subscription, to be shown once to who made it."""
    return {'secret': subscription.secrets[0], **public_keys_json(subscription)}


def attempt_json(attempt: Any, request: Any) -> dict[str, Any]:
    """An attempt, with what was sent and what was answered."""
    return {
        'id': attempt.id,
        'url': url_of(attempt, request),
        'message_id': attempt.message_id,
        'event': attempt.event,
        'number': attempt.number,
        'status': attempt.status,
        'message': attempt.message,
        'created': _time(attempt.created),
        'due': _time(attempt.due),
        'resolved_at': _time(attempt.resolved_at),
        'request': _request_json(attempt.request),
        'response': _response_json(attempt.response),
    }


def recovery_json(recovery: Any) -> dict[str, Any]:
    """What a recovery was able to do."""
    return {
        'count': recovery.count,
        'unreachable': recovery.unreachable,
        'unreachable_until': _time(recovery.unreachable_until),
    }


def statistics_json(statistics: Any) -> dict[str, Any]:
    """The statistics of a subscription."""
    return {
        'sent': statistics.sent,
        'failed': statistics.failed,
        'pending': statistics.pending,
        'last_success': _time(statistics.last_success),
        'last_failure': _time(statistics.last_failure),
        'p50': statistics.p50,
        'p95': statistics.p95,
    }


def overview_json(backlog: Any, senders: Iterable[Any]) -> dict[str, Any]:
    """What all subscriptions are owed, and the processes that send it."""
    workers = [
        {
            'id': each.id,
            'hostname': each.hostname,
            'pid': each.pid,
            'heartbeat': _time(utc(each.heartbeat)),
            'rate': round(each.rate, 3),
            'partitions': list(each.partitions),
        }
        for each in senders
    ]
    return {
        'owed': backlog.owed,
        'held': backlog.held,
        'oldest': None if backlog.oldest is None else _time(utc(backlog.oldest)),
        'rate': round(sum(each['rate'] for each in workers), 3),
        'workers': workers,
    }


def _request_json(sent: Any) -> dict[str, Any] | None:
    if sent is None:
        return None
    body, encoding = as_text(sent.body)
    return {
        'url': sent.url,
        'method': sent.method,
        'headers': shown_headers(sent.headers),
        'body': body,
        'encoding': encoding,
    }


def _response_json(answered: Any) -> dict[str, Any] | None:
    if answered is None:
        return None
    content, encoding = as_text(answered.content, answered.truncated)
    return {
        'status_code': answered.status_code,
        'reason': answered.reason,
        'headers': shown_headers(answered.headers),
        'content': content,
        'encoding': encoding,
        'truncated': answered.truncated,
        'elapsed': answered.elapsed,
    }


def as_text(data: bytes, truncated: bool = False) -> tuple[str, str]:
    """Bytes as a text and how they are encoded in it: ``utf-8``, or ``base64`` for all others.

    :param truncated: the end is missing, be it in the middle of a character.
    """
    decoder = codecs.getincrementaldecoder('utf-8')()
    try:
        return decoder.decode(data, final=not truncated), 'utf-8'
    except UnicodeDecodeError:
        return base64.b64encode(data).decode('ascii'), 'base64'


def event_json(event_type: EventType) -> dict[str, Any]:
    """An event type."""
    return {
        'name': event_type.name,
        'description': event_type.description,
        'schema': None if event_type.schema is None else dict(event_type.schema),
        'example': event_type.example,
    }
