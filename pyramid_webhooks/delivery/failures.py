"""What is said of a delivery that got no answer: one sentence for each kind of failure."""

from __future__ import annotations

import http.client
import socket
import ssl

import requests.exceptions

from pyramid_webhooks.delivery.answer import IncompleteAnswer, MalformedAnswer, NoAnswer
from pyramid_webhooks.delivery.connection import ProxyRefused
from pyramid_webhooks.delivery.request_head import UnsendableRequest
from pyramid_webhooks.interfaces import DestinationRefused

_TIMEOUTS = (TimeoutError, requests.exceptions.Timeout)
_MALFORMED = (
    http.client.HTTPException,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.ChunkedEncodingError,
)
#: Messages of these may quote a header's value, which may be a secret.
_UNQUOTABLE = (requests.exceptions.InvalidHeader,)


def explain(
    error: BaseException, place: str, seconds: float, *, connecting: bool | None = None
) -> str:
    """Return one sentence that says why there was no answer.

    :param error: what was raised; for a wrapped error the sentence is about its cause
    :param place: host and port
    :param seconds: how long was waited, for a time-out
    :param connecting: whether the error arose before the connection was there; None to tell
        from the error
    """
    errors = chain(error)
    for cause in errors:
        if isinstance(cause, DestinationRefused | UnsendableRequest):
            return str(cause)
        if isinstance(cause, ProxyRefused):
            return f'The proxy gave no way to {place}: {cause}.'
        if getattr(cause, 'is_explained', False):
            return str(cause)
    for cause in errors:
        sentence = _sentence(cause, place)
        if sentence is not None:
            return sentence
    timeout = next((cause for cause in errors if isinstance(cause, _TIMEOUTS)), None)
    if timeout is not None:
        if connecting is None:
            kinds = (requests.exceptions.ConnectTimeout,)
            connecting = any(isinstance(cause, kinds) for cause in errors)
        if connecting:
            return f'Connecting to {place} took longer than {seconds:g} seconds.'
        return f'The answer of {place} was not complete within {seconds:g} seconds.'
    return f'Sending to {place} failed: {describe(errors[0])}.'


def chain(error: BaseException) -> list[BaseException]:
    """Return an error and what led to it, the oldest first."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 20:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or any(current is seen for seen in found):
            continue
        found.append(current)
        context = None if current.__suppress_context__ else current.__context__
        # urllib3 keeps the cause in "reason", and requests passes it on as an argument.
        waiting += [current.__cause__ or context, getattr(current, 'reason', None)]
        waiting += [argument for argument in current.args if isinstance(argument, Exception)]
    return found[::-1]


def describe(error: BaseException) -> str:
    """Return kind and text of an error in one line, without what may be a secret."""
    name = type(error).__name__
    if isinstance(error, _UNQUOTABLE) and not isinstance(error, UnsendableRequest):
        return name
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        text = error.strerror
    else:
        text = _text(error)
    return f'{name}: {text[:500]}' if text else name


def _text(error: BaseException) -> str:
    try:
        return ' '.join(str(error).split())
    except Exception as another:
        return f'its text cannot be had, for a {type(another).__name__}'


def _sentence(error: BaseException, place: str) -> str | None:
    if isinstance(error, requests.exceptions.InvalidHeader):
        return 'A header of the request cannot be sent.'
    if isinstance(error, MalformedAnswer):
        return f'What {place} answered is not valid HTTP: {error}.'
    if isinstance(error, NoAnswer | http.client.RemoteDisconnected):
        return f'{place} closed the connection without an answer.'
    if isinstance(error, IncompleteAnswer):
        return f'The answer of {place} is incomplete: {error}.'
    if isinstance(error, socket.gaierror):
        host = place.rpartition(':')[0]
        return f'The host name "{host}" could not be resolved: {error.strerror or error}.'
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = str(getattr(error, 'verify_message', error)).rstrip('.')
        return f'The TLS certificate of {place} was not accepted: {reason}.'
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, 'reason', None) or error.strerror or _text(error)
        return f'TLS with {place} failed: {reason.replace("_", " ").lower()}.'
    if isinstance(error, ConnectionRefusedError):
        return f'{place} refused the connection.'
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return f'The connection to {place} was reset before the answer was complete.'
    if isinstance(error, _MALFORMED):
        return f'What {place} answered is not valid HTTP.'
    if isinstance(error, OSError) and type(error).__module__ == 'builtins' and error.strerror:
        if not isinstance(error, TimeoutError):
            return f'Connecting to {place} failed: {error.strerror}.'
    return None
