"""Signing secrets as Standard Webhooks 1.0 writes them: ``whsec_`` and base64."""

from __future__ import annotations

import base64
import binascii
import functools
import secrets

PREFIX = 'whsec_'

#: Fewest and most bytes of a key ("Signature scheme" of Standard Webhooks 1.0).
MIN_BYTES = 24
MAX_BYTES = 64

_NEW_BYTES = 32


def new_secret() -> str:
    """Make a secret of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode('ascii')


def check_secret(text: str) -> None:
    """Raise ValueError, with a sentence that does not show it, when a text is no secret."""
    decode_secret(text)


def decode_secret(text: str) -> bytes:
    """Return the key of a secret.

    :raises ValueError: when it is none; the sentence never contains the secret
    """
    if not isinstance(text, str):
        raise ValueError(f'A signing secret is a text, not a {type(text).__name__}.')
    return _decode(text)


@functools.lru_cache(maxsize=1024)
def _decode(text: str) -> bytes:
    if not text.startswith(PREFIX):
        raise ValueError(f'The signing secret does not begin with "{PREFIX}".')
    encoded = text.removeprefix(PREFIX).rstrip('=')
    try:
        key = base64.b64decode(encoded + '=' * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            f'The signing secret is not base64 after "{PREFIX}"; make one with new_secret().'
        ) from None
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise ValueError(
            f'The signing secret has {len(key)} bytes; '
            f'{MIN_BYTES} to {MAX_BYTES} random ones are wanted.'
        )
    return key
