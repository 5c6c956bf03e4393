"""What is sent for an object, and its bytes."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from transaction.interfaces import TransientError

from pyramid_webhooks.interfaces import IGlobalManager, IWebhookDialect, IWebhookPayload
from pyramid_webhooks.resources.globals import GlobalRecord
from pyramid_webhooks.resources.message import Key

logger = logging.getLogger(__name__)


class ForEach:
    """What a factory that asks for the subscription is going to make for each of them."""

    def __init__(self, factory: Callable[..., Any], objects: tuple[Any, ...]):
        self._factory = factory
        self._objects = objects

    def make(self, subscription: Any) -> Any:
        """What represents the object to ``subscription``; None passes on."""
        return self._factory(*self._objects, subscription=subscription)


def adapter_of(factory: Callable[..., Any], count: int) -> Callable[..., Any]:
    """``factory``, or what puts it off until the subscription is known, if it asks for that.

    :param count: of the objects that it is called with; its first parameters are for them,
        whatever they are called.
    """
    try:
        asks = 'subscription' in list(inspect.signature(factory).parameters)[count:]
    except (ValueError, TypeError):
        asks = False
    return (lambda *objects: ForEach(factory, objects)) if asks else factory


def payload_for(
    registry: Any, obj: Any, event: Any, dialect: str, subscription: Any = None
) -> Any:
    """Find what represents ``obj``.

    In this order: a payload factory for (object, event) and this dialect; for (object, event);
    the object itself when it is a payload; a factory for the object and this dialect; for the
    object; else the object, for JSON to render. A factory that returns None passes on.

    :param subscription: that it is for; without one, where the first factory that fits asks for
        it, the answer is a :class:`ForEach`.
    """
    for found in _candidates(registry.adapters, obj, event, dialect):
        if isinstance(found, ForEach):
            if subscription is None:
                return found
            found = found.make(subscription)
        if found is not None:
            return found
    return obj


def _candidates(adapters: Any, obj: Any, event: Any, dialect: str) -> Iterator[Any]:
    if dialect:
        yield adapters.queryMultiAdapter((obj, event), IWebhookPayload, dialect)
    yield adapters.queryMultiAdapter((obj, event), IWebhookPayload)
    if IWebhookPayload.providedBy(obj):
        yield obj
    if dialect:
        yield adapters.queryAdapter(obj, IWebhookPayload, dialect)
    yield adapters.queryAdapter(obj, IWebhookPayload)


def render(
    registry: Any, obj: Any, event: Any, recipients: Sequence[tuple[Any, str]], request: Any
) -> tuple[dict[Key, bytes], dict[Key, str]]:
    """Make the bytes of the data for each dialect, or each subscription where that is asked for.

    :param recipients: (persistent recipient, dialect).
    :returns: the bytes by dialect, or by dialect and id of the subscription; and for those where
        that failed, why, as sentences. Only errors that say that the transaction is to be tried
        again are raised.
    """
    data: dict[Key, bytes] = {}
    errors: dict[Key, str] = {}

    def make(key: Key, dialect: str, subscription: Any = None) -> bool:
        try:
            payload = payload_for(registry, obj, event, dialect, subscription)
            if isinstance(payload, ForEach):
                return False
            data[key] = serialize(registry, payload, dialect, request)
        except TransientError:
            raise
        except Exception as error:
            errors[key] = describe(error)
            logger.warning('%s (for %r)', errors[key], type(obj), exc_info=True)
        return True

    for dialect in dict.fromkeys([dialect for _, dialect in recipients]):
        if not make(dialect, dialect):
            for recipient, wanted in recipients:
                if wanted == dialect:
                    subscription = _subscription(registry, recipient)
                    make((dialect, recipient.id), dialect, subscription)
    return data, errors


def _subscription(registry: Any, recipient: Any) -> Any:
    if isinstance(recipient, GlobalRecord):
        return registry.getUtility(IGlobalManager)[recipient.id]
    return recipient


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
