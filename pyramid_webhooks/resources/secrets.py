"""Signing secrets as Standard Webhooks 1.0 writes them, and the keys that are in them.

``whsec_`` is followed by the key of an HMAC, which sender and receiver share: scheme ``v1``.
``whsk_`` is followed by the private key of an ed25519 pair: scheme ``v1a``. Receivers need only
its public key, which is written ``whpk_``. All keys are in base64.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREFIX = 'whsec_'
PRIVATE_PREFIX = 'whsk_'
PUBLIC_PREFIX = 'whpk_'

#: Fewest and most bytes of an HMAC key ("Signature scheme" of Standard Webhooks 1.0).
MIN_BYTES = 24
MAX_BYTES = 64

_NEW_BYTES = 32
#: Bytes of an ed25519 seed (RFC 8032, section 5.1.5); the public key, of as many, may follow it.
_SEED_BYTES = 32


class SymmetricKey:
    """Signs with HMAC-SHA256. The key is in no repr."""

    scheme = 'v1'
    public_key = None
    __slots__ = ('_key',)

    def __init__(self, key: bytes):
        self._key = key

    def sign(self, signed: bytes) -> str:
        """The signature of ``signed``, as it is sent."""
        digest = hmac.digest(self._key, signed, hashlib.sha256)
        return 'v1,' + base64.b64encode(digest).decode('ascii')


class PrivateKey:
    """Signs with ed25519. The private key is in no repr.

    :ivar public_key: what receivers verify with, beginning with ``whpk_``.
    """

    scheme = 'v1a'
    __slots__ = ('_key', 'public_key')

    def __init__(self, seed: bytes):
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = _encoded(PUBLIC_PREFIX, self._key.public_key().public_bytes_raw())

    def sign(self, signed: bytes) -> str:
        """The signature of ``signed``, as it is sent."""
        return 'v1a,' + base64.b64encode(self._key.sign(signed)).decode('ascii')


Key = SymmetricKey | PrivateKey


def new_secret(scheme: str = 'v1') -> str:
    """Make a signing secret of 32 random bytes.

    :param scheme: ``v1``, HMAC-SHA256 with a ``whsec_`` secret; or ``v1a``, ed25519 with a
        ``whsk_`` private key.
    :raises ValueError: for another scheme.
    """
    if scheme not in SCHEMES:
        raise ValueError(f'There is no signature scheme {scheme!r}; there is: v1, v1a.')
    return _encoded(SCHEMES[scheme], secrets.token_bytes(_NEW_BYTES))


#: Scheme -> what its secrets begin with.
SCHEMES = {'v1': PREFIX, 'v1a': PRIVATE_PREFIX}


def scheme_of(text: str) -> str:
    """The signature scheme of a secret."""
    return PrivateKey.scheme if text.startswith(PRIVATE_PREFIX) else SymmetricKey.scheme


def check_secret(text: str) -> None:
    """Raise ValueError, with a sentence that does not show it, when a text is no secret."""
    read_secret(text)


def read_secret(text: str) -> Key:
    """Return the key that is in a secret.

    :raises ValueError: when it is none; the sentence never contains the secret.
    """
    if not isinstance(text, str):
        raise ValueError(f'A signing secret is a text, not a {type(text).__name__}.')
    return _read(text)


@functools.lru_cache(maxsize=1024)
def _read(text: str) -> Key:
    if text.startswith(PREFIX):
        key = _decoded(PREFIX, text)
        if not MIN_BYTES <= len(key) <= MAX_BYTES:
            raise ValueError(
                f'The signing secret has {len(key)} bytes; '
                f'{MIN_BYTES} to {MAX_BYTES} random ones are wanted.'
            )
        return SymmetricKey(key)
    if text.startswith(PRIVATE_PREFIX):
        return _read_private(_decoded(PRIVATE_PREFIX, text))
    if text.startswith(PUBLIC_PREFIX):
        raise ValueError(
            f'"{PUBLIC_PREFIX}" begins a public key, which signs nothing; give the private key, '
            f'which begins with "{PRIVATE_PREFIX}".'
        )
    raise ValueError(f'The signing secret begins neither with "{PREFIX}" nor "{PRIVATE_PREFIX}".')


def _read_private(key: bytes) -> PrivateKey:
    seed, public = key[:_SEED_BYTES], key[_SEED_BYTES:]
    if len(seed) < _SEED_BYTES or len(public) not in (0, _SEED_BYTES):
        raise ValueError(
            f'The private key has {len(key)} bytes; an ed25519 key has 32, or 64 with its public '
            f'key behind them.'
        )
    private = PrivateKey(seed)
    if public and _encoded(PUBLIC_PREFIX, public) != private.public_key:
        raise ValueError('The last 32 bytes of the private key are not its public key.')
    return private


def _encoded(prefix: str, key: bytes) -> str:
    return prefix + base64.b64encode(key).decode('ascii')


def _decoded(prefix: str, text: str) -> bytes:
    encoded = text.removeprefix(prefix).rstrip('=')
    try:
        return base64.b64decode(encoded + '=' * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            f'The signing secret is not base64 after "{prefix}"; make one with new_secret().'
        ) from None
