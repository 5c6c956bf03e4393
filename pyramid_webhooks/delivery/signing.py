"""The headers of Standard Webhooks 1.0 that name and sign one attempt."""

from __future__ import annotations

from collections.abc import Iterable

from pyramid_webhooks.resources.secrets import Key


def signature_headers(
    message_id: str, timestamp: int, body: bytes, keys: Iterable[Key]
) -> dict[str, str]:
    """Return the headers that name and sign one attempt.

    :param message_id: the same on every try of a message.
    :param timestamp: of this attempt, in Unix seconds.
    :param keys: each makes a signature; without any there is no ``webhook-signature``.
    """
    headers = {'webhook-id': message_id, 'webhook-timestamp': str(timestamp)}
    signed = f'{message_id}.{timestamp}.'.encode() + body
    signatures = [key.sign(signed) for key in keys]
    if signatures:
        headers['webhook-signature'] = ' '.join(signatures)
    return headers
