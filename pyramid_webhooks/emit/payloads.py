"""What is sent for an object, and its bytes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from transaction.interfaces import TransientError

from pyramid_webhooks.interfaces import IWebhookDialect, IWebhookPayload

logger = logging.getLogger(__name__)


def payload_for(registry: Any, obj: Any, event: Any, dialect: str) -> Any:
    """Find what represents ``obj``.

    In this order: a payload factory for (object, event) and this dialect; for (object, event);
    the object itself when it is a payload; a factory for the object and this dialect; for the
    object; else the object, for JSON to render. A factory that returns None passes on.
    """
    adapters = registry
    if dialect:
        found = adapters.queryMultiAdapter((obj, event), IWebhookPayload, name=dialect)
        if found is not None:
            return found
    found = adapters.queryMultiAdapter((obj, event), IWebhookPayload)
    if found is not None:
        return found
    if IWebhookPayload.providedBy(obj):
        return obj
    if dialect:
        found = adapters.queryAdapter(obj, IWebhookPayload, name=dialect)
        if found is not None:
            return found
    found = adapters.queryAdapter(obj, IWebhookPayload)
    return obj if found is None else found


def render(
    registry: Any, obj: Any, event: Any, dialects: Iterable[str], request: Any
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Make the bytes of the data for each dialect.

    :returns: the bytes by dialect; and for those where that failed, why, as sentences. Only
        errors that say that the transaction is to be tried again are raised.
    """
    data: dict[str, bytes] = {}
    errors: dict[str, str] = {}
    for name in dialects:
        try:
            payload = payload_for(registry, obj, event, name)
            data[name] = serialize(registry, payload, name, request)
        except TransientError:
            raise
        except Exception as error:
            errors[name] = describe(error)
            logger.warning('%s (for %r)', errors[name], type(obj), exc_info=True)
    return data, errors


def render_explicit(
    registry: Any, payload: Any, dialects: Iterable[str], request: Any
) -> tuple[dict[str, bytes], dict[str, str]]:
    """The same for a payload that is sent as it is."""
    data: dict[str, bytes] = {}
    errors: dict[str, str] = {}
    for name in dialects:
        try:
            data[name] = serialize(registry, payload, name, request)
        except TransientError:
            raise
        except Exception as error:
            errors[name] = describe(error)
    return data, errors


def serialize(registry: Any, payload: Any, dialect: str, request: Any) -> bytes:
    """The bytes of ``payload`` in ``dialect``.

    :raises TypeError: when the dialect does not return bytes.
    """
    implementation = registry.getUtility(IWebhookDialect, name=dialect)
    data = implementation.serialize(payload, request)
    if not isinstance(data, bytes):
        raise TypeError(f'the dialect {dialect!r} returned {type(data).__name__}, not bytes')
    return data


def describe(error: Exception) -> str:
    """A sentence about why there is no payload, whatever the error makes of itself."""
    try:
        text = f'{type(error).__name__}: {error}'
    except Exception:
        text = type(error).__name__
    text = text.encode('utf-8', 'backslashreplace').decode()
    return f'The payload could not be made: {text}.'[:1000]
