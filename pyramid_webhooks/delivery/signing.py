"""Signatures of Standard Webhooks 1.0 (symmetric, ``v1``)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from pyramid_webhooks.resources.secrets import decode_secret


def signature_headers(
    message_id: str, timestamp: int, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    """Return the headers that name and sign one attempt.

    :param message_id: the same on every try of a message
    :param timestamp: of this attempt, in Unix seconds
    :param secrets: each makes a signature; without any there is no ``webhook-signature``
    :raises ValueError: when a secret is none; the sentence never contains it
    """
    headers = {'webhook-id': message_id, 'webhook-timestamp': str(timestamp)}
    if secrets:
        signed = f'{message_id}.{timestamp}.'.encode() + body
        headers['webhook-signature'] = ' '.join(_signature(secret, signed) for secret in secrets)
    return headers


def _signature(secret: str, signed: bytes) -> str:
    digest = hmac.digest(decode_secret(secret), signed, hashlib.sha256)
    return 'v1,' + base64.b64encode(digest).decode('ascii')
