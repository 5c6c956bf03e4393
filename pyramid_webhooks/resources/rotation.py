"""The signing secrets of a stored subscription: several are in force while they are rotated."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

from pyramid_webhooks.interfaces import (
    InvalidArgument,
    IOwedDeliveries,
    ISecretVault,
    UnreadableSecret,
)
from pyramid_webhooks.registries import find_registry
from pyramid_webhooks.resources.arguments import MAX_SECRETS, check_signing_secret
from pyramid_webhooks.resources.sealed import note_keys
from pyramid_webhooks.resources.secrets import SymmetricKey, new_secret, scheme_of
from pyramid_webhooks.resources.vault import Timed, Vault, may_be_private, vault_for

logger = logging.getLogger(__name__)

DAY = 86_400.0
#: Longest overlap, in seconds.
MAX_OVERLAP = 365 * DAY


def refuse_rotation(subscription: Any) -> NoReturn:
    """Say that the configuration defines the secret.

    :raises TypeError: always.
    """
    raise TypeError(
        f'The configuration defines the secret of the subscription {subscription.id}: change it '
        f'there. While it is changed it may have several, the newest first.'
    )


class RotatingSecrets:
    """What a stored subscription can do with its secrets.

    They are kept as the vault of the application makes them, together with the time they end.
    """

    id: str
    kind: str
    touch: Callable[[], None]
    _secrets: tuple[Timed, ...] = ()

    @property
    def stored_secrets(self) -> tuple[Timed, ...]:
        """Those in force as they are stored, newest first, each with the POSIX time it ends."""
        if all(ends is None for _, ends in self._secrets):
            return self._secrets
        now = time.time()
        return tuple((stored, ends) for stored, ends in self._secrets if not _ended(ends, now))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The signing secrets in force, newest first.

        :raises UnreadableSecret: when one can't be decrypted.
        """
        vault = vault_for(self)
        return tuple(vault.open(stored, self.id) for stored, _ in self.stored_secrets)

    @property
    def public_keys(self) -> tuple[str, ...]:
        """The public keys of the ed25519 keys in force, newest first.

        :raises UnreadableSecret: when a secret can't be decrypted.
        """
        for stored, _ in self._secrets:
            if may_be_private(stored):
                keys = vault_for(self).keys_of(self)
                return tuple(key.public_key for key, _ in keys if key.public_key is not None)
        return ()

    def set_secret(self, secret: str | None) -> None:
        """Sign with ``secret`` alone, from now on; None: the requests are not signed.

        :param secret: several are separated by spaces, the newest first.
        """
        self._store_secrets(tuple((text, None) for text in (secret or '').split()))

    def rotate_secret(self, overlap: float = DAY, secret: str | None = None) -> str:
        """Sign with a new secret, and for a while with the present ones, too.

        :param overlap: seconds for which the present ones go on to sign; 0: they end now.
        :param secret: the new one; by default one of the same scheme is made.
        :returns: the new secret.
        :raises InvalidArgument: naming the value that can't be used; nothing is changed then.
        :raises TypeError: when the configuration defines the secret.
        """
        if self.kind != 'dynamic':
            refuse_rotation(self)
        _check_overlap(overlap)
        present = self._readable()
        if secret is None:
            newest = present[0][0] if present else None
            secret = new_secret(scheme_of(newest) if newest else SymmetricKey.scheme)
        elif check_signing_secret(secret) in (text for text, _ in present):
            raise InvalidArgument('secret', 'is in force already; give a new one.')
        until = time.time() + overlap
        kept = [(text, until if ends is None else min(ends, until)) for text, ends in present]
        if not overlap:
            kept = []
        if len(kept) >= MAX_SECRETS:
            raise InvalidArgument(
                'overlap',
                f'there are {MAX_SECRETS} secrets in force already; wait until one has ended, or '
                f'end them now with 0.',
            )
        self._store_secrets(((secret, None), *kept))
        self.touch()
        logger.info('The secret of the subscription %s was rotated.', self.id)
        return secret

    def _readable(self) -> list[tuple[str, float | None]]:
        vault, found = vault_for(self), []
        for stored, ends in self.stored_secrets:
            try:
                found.append((vault.open(stored, self.id), ends))
            except UnreadableSecret:
                # It signs nothing, and a new one is the way out.
                logger.warning('The subscription %s loses a secret that is unreadable.', self.id)
        return found

    def _store_secrets(self, secrets: tuple[Timed, ...]) -> None:
        registry = find_registry(self)
        if registry is None:
            raise RuntimeError(
                'There is no application that could store the secret: include pyramid_webhooks, '
                'and work in a request, or in a script that Pyramid bootstraps.'
            )
        before = self._secrets
        self._secrets = secrets
        self.seal_secrets(registry.getUtility(ISecretVault), before)
        registry.getUtility(IOwedDeliveries).tell(self, 'changed')

    def seal_secrets(self, vault: Vault, before: tuple[Timed, ...] = ()) -> None:
        """Store the secrets in force as ``vault`` would now.

        :param before: what was stored, if that was something else.
        :raises UnreadableSecret: when one can't be decrypted.
        """
        before = before or self._secrets
        self._secrets = tuple(
            (vault.seal_again(stored, self.id), ends) for stored, ends in self.stored_secrets
        )
        note_keys(self, before)

    def forget_ended_secrets(self) -> None:
        """Let go of those that sign no more; called where it is written to anyway."""
        if len(self._secrets) != len(self.stored_secrets):
            before, self._secrets = self._secrets, self.stored_secrets
            note_keys(self, before)


def _ended(ends: float | None, now: float) -> bool:
    return ends is not None and ends <= now


def _check_overlap(overlap: Any) -> None:
    if isinstance(overlap, bool) or not isinstance(overlap, (int, float)):
        raise InvalidArgument('overlap', 'must be a number of seconds.')
    if not 0 <= overlap <= MAX_OVERLAP:
        raise InvalidArgument('overlap', f'must be from 0 to {MAX_OVERLAP:.0f} seconds.')
