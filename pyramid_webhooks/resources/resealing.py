"""Changing the key that signing secrets are encrypted with, a few of them at a time."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import transaction
from pyramid.registry import Registry
from transaction.interfaces import TransientError
from ZODB.POSException import POSKeyError

from pyramid_webhooks.interfaces import ISecretVault, UnreadableSecret
from pyramid_webhooks.registries import databases_of
from pyramid_webhooks.resources.sealed import SealedIndex, sealed_index
from pyramid_webhooks.resources.vault import Vault

logger = logging.getLogger(__name__)

_TRIES = 50
#: Subscriptions that are named in the log at the start.
_NAMED = 20


class Encrypted(NamedTuple):
    """What :func:`encrypt_secrets` did.

    :ivar changed: number of subscriptions whose secrets are encrypted with another key now.
    :ivar unreadable: a sentence for each subscription whose secret can't be decrypted.
    """

    changed: int
    unreadable: tuple[str, ...]


#: The last entry of the index that was looked at: key id and subscription id.
Cursor = tuple[str, str]


def encrypt_secrets(registry: Registry, batch: int = 100) -> Encrypted:
    """Encrypt all secrets in the databases with the first key of ``webhooks.secrets_key``.

    Those that are not encrypted yet are, too. It may be done while the application runs, and be
    broken off and begun again.

    :param batch: subscriptions in one transaction.
    :raises ValueError: when the setting is empty.
    """
    vault = registry.getUtility(ISecretVault)
    if not vault.key_id:
        raise ValueError(
            'There is nothing to encrypt with: webhooks.secrets_key has no key. Set it first.'
        )
    changed, unreadable = 0, []
    for name in databases_of(registry):
        after: Cursor | None = None
        while True:
            done, sentences, after = _try_batch(registry, name, vault, after, batch)
            changed += done
            unreadable += sentences
            if after is None:
                break
    return Encrypted(changed, tuple(unreadable))


def _try_batch(
    registry: Registry, name: str, vault: Vault, after: Cursor | None, limit: int
) -> tuple[int, list[str], Cursor | None]:
    for attempt in itertools.count(1):
        try:
            with _opened(registry, name) as connection:
                answer = encrypt_batch(connection, vault, after, limit)
                connection.transaction_manager.get().note('webhooks: encryption of secrets')
                connection.transaction_manager.commit()
                return answer
        except TransientError:
            if attempt == _TRIES:
                raise
    raise AssertionError


def encrypt_batch(
    connection: Any, vault: Vault, after: Cursor | None, limit: int
) -> tuple[int, list[str], Cursor | None]:
    """Encrypt the secrets of a few subscriptions anew, in the current transaction.

    :returns: how many were changed; a sentence for each that can't be decrypted; and the cursor
        for the next call, None when all are done.
    """
    changed, sentences = 0, []
    index = sealed_index(connection)
    found = [] if index is None else list(itertools.islice(_left(index, vault, after), limit))
    for key_id, id, oid in found:
        try:
            connection.get(oid).seal_secrets(vault)
        except POSKeyError:
            # Its folder was removed, and the database packed since.
            index.discard(key_id, id)
        except UnreadableSecret as error:
            sentences.append(str(error))
        else:
            index.discard(key_id, id)
            changed += 1
    if len(found) < limit:
        return changed, sentences, None
    return changed, sentences, found[-1][:2]


def _left(
    index: SealedIndex, vault: Vault, after: Cursor | None
) -> Iterator[tuple[str, str, bytes]]:
    for key_id in index.key_ids():
        if key_id == vault.key_id or after is not None and key_id < after[0]:
            continue
        behind = after[1] if after is not None and key_id == after[0] else ''
        for id, oid in index.under(key_id, behind):
            yield key_id, id, oid


def report_secrets(registry: Registry) -> None:
    """Log which subscriptions can't be signed for want of a key, and whether anything is to do."""
    try:
        _report(registry, registry.getUtility(ISecretVault))
    except Exception:
        # It is for people; the application does not depend on it.
        logger.exception('It could not be found out which signing secrets can be read.')


def _report(registry: Registry, vault: Vault) -> None:
    for name in databases_of(registry):
        with _opened(registry, name) as connection:
            index = sealed_index(connection)
            key_ids = [] if index is None else list(index.key_ids())
            for key_id in key_ids:
                if not vault.knows(key_id):
                    _report_unreadable(connection, index, vault, key_id)
            if vault.key_id and any(
                key_id != vault.key_id and vault.knows(key_id) for key_id in key_ids
            ):
                logger.warning(
                    'There are signing secrets in the database %r that are not encrypted with the '
                    'first key of webhooks.secrets_key: call encrypt_secrets(registry).',
                    name,
                )


def _report_unreadable(connection: Any, index: SealedIndex, vault: Vault, key_id: str) -> None:
    found = list(itertools.islice(index.under(key_id), _NAMED + 1))
    for id, oid in found[:_NAMED]:
        try:
            vault.keys_of(connection.get(oid))
        except POSKeyError:
            continue
        except Exception as error:
            logger.error('%s Until then what it is owed fails.', error)
        else:
            logger.debug('What the index says of the subscription %s is old.', id)
    if len(found) > _NAMED:
        logger.error('So it is with further subscriptions, which are not named here.')


@contextlib.contextmanager
def _opened(registry: Registry, name: str) -> Iterator[Any]:
    manager = transaction.TransactionManager()
    connection = databases_of(registry)[name].open(transaction_manager=manager)
    try:
        yield connection
    finally:
        manager.abort()
        connection.close()
