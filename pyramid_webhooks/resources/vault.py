"""Encrypting signing secrets before they are stored, with the keys of ``webhooks.secrets_key``."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from zope.interface import implementer

from pyramid_webhooks.interfaces import ISecretVault, UnreadableSecret
from pyramid_webhooks.registries import find_registry
from pyramid_webhooks.resources.secrets import PRIVATE_PREFIX, Key, read_secret

#: What is stored of a secret: the text itself, or what it was encrypted to.
Stored = str | bytes
#: A secret as it is stored, and the POSIX time at which it ends, or None.
Timed = tuple[Stored, float | None]

_FORMAT = b'\x01'
_ID_BYTES = 8
#: Bytes of a nonce of AES-GCM (NIST SP 800-38D, section 8.2.2).
_NONCE_BYTES = 12
_CACHED = 4096


def key_id_of(stored: Stored) -> str:
    """The id of the key that a secret is encrypted with; empty for one that is not."""
    return '' if isinstance(stored, str) else stored[1 : 1 + _ID_BYTES].hex()


def may_be_private(stored: Stored) -> bool:
    """Whether a secret may be an ed25519 key; of one that is encrypted only its vault knows."""
    return not isinstance(stored, str) or stored.startswith(PRIVATE_PREFIX)


@implementer(ISecretVault)
class Vault:
    """Encrypts with the first key, and decrypts with any, using AES-256-GCM.

    What is encrypted for one subscription is of no use for another. Keys are in no repr.

    :param keys: texts of at least 32 random characters; without any, secrets stay as they are.
    """

    def __init__(self, keys: Iterable[str] = ()):
        self._ciphers: dict[str, AESGCM] = {}
        for key in keys:
            derived = HKDF(SHA256(), 32 + _ID_BYTES, None, b'pyramid_webhooks.secrets_key')
            derived = derived.derive(key.encode())
            self._ciphers.setdefault(derived[32:].hex(), AESGCM(derived[:32]))
        self._key_of = functools.lru_cache(_CACHED)(self._read)

    @property
    def key_id(self) -> str:
        """The id of the key that encrypts; empty where there is none."""
        return next(iter(self._ciphers), '')

    def knows(self, key_id: str) -> bool:
        """Whether what is encrypted with this key can be read."""
        return not key_id or key_id in self._ciphers

    def seal(self, secret: str, place: str) -> Stored:
        """What is to be stored of a secret.

        :param place: id of the subscription.
        """
        key_id = self.key_id
        if not key_id:
            return secret
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[key_id].encrypt(nonce, secret.encode(), place.encode())
        return _FORMAT + bytes.fromhex(key_id) + nonce + sealed

    def seal_again(self, stored: Stored, place: str) -> Stored:
        """The same when it is sealed with the first key, or that."""
        if key_id_of(stored) == self.key_id:
            return stored
        return self.seal(self.open(stored, place), place)

    def open(self, stored: Stored, place: str) -> str:
        """The secret that is stored so.

        :raises UnreadableSecret: when it can't be decrypted.
        """
        if isinstance(stored, str):
            return stored
        cipher = self._ciphers.get(key_id_of(stored))
        if stored[:1] != _FORMAT or cipher is None:
            raise UnreadableSecret(
                f'The signing secret of the subscription {place} is encrypted with a key that '
                f'the setting webhooks.secrets_key does not have. Put that key back, behind the '
                f'others, or rotate the secret.'
            )
        start = len(_FORMAT) + _ID_BYTES
        nonce, sealed = stored[start : start + _NONCE_BYTES], stored[start + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, place.encode()).decode()
        except (InvalidTag, ValueError):
            raise UnreadableSecret(
                f'The signing secret of the subscription {place} can not be decrypted: what is '
                f'stored is damaged, or was encrypted for another one. Rotate the secret.'
            ) from None

    def keys_of(self, subscription: Any) -> tuple[tuple[Key, float | None], ...]:
        """The keys of a subscription, newest first, and the POSIX time each ends at, or None.

        It is cheap: a secret is decrypted and read once.

        :raises UnreadableSecret: when one can't be decrypted.
        """
        place = subscription.id
        return tuple(
            (self._key_of(stored, place), ends) for stored, ends in subscription.stored_secrets
        )

    def _read(self, stored: Stored, place: str) -> Key:
        return read_secret(self.open(stored, place))


def vault_for(obj: Any) -> Vault:
    """The vault of the application that ``obj`` belongs to; one without keys where there is none.

    Only for reading: what is to be written needs the application's own.
    """
    registry = find_registry(obj)
    return Vault() if registry is None else registry.getUtility(ISecretVault)
