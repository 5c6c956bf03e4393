"""Bringing the tree in line with the configuration, in one transaction.

An index in the root of each database knows which subscriptions of its tree the configuration
keeps there, so that those it no longer has are found without walking the tree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from BTrees.OOBTree import OOBTree
from pyramid.traversal import find_resource
from transaction.interfaces import TransientError

from pyramid_webhooks.database_root import kept_in_root, kept_in_roots
from pyramid_webhooks.interfaces import InvalidArgument, ISubscriptionManager
from pyramid_webhooks.registries import connection_of
from pyramid_webhooks.resources.declared import TreeDeclaration
from pyramid_webhooks.resources.finding import manager_of
from pyramid_webhooks.resources.folder import is_folder
from pyramid_webhooks.resources.lineage import lineage

ROOT_KEY = 'pyramid_webhooks.tree'
GONE = 'Deactivated: the configuration does not have it any more.'
CHANGED = 'Deactivated: the configuration has changed it, which made a new subscription.'
MOVED = 'Deactivated: the configuration keeps it at {path}, where it is not any more.'


class Line(NamedTuple):
    """Something to log once it is committed."""

    level: int
    text: str
    error: Exception | None = None


class Misplaced(Exception):
    """There is no folder where a subscription should be kept; the reason is a sentence."""


class Upkeep:
    """Makes the subscriptions of kind ``tree`` be those that the configuration declares.

    What is as declared is not written to. A change of ``to``, of the events, of ``owner``,
    ``permission``, ``dialect`` or ``path`` makes it another subscription: the old one is
    deactivated, with its history, and a new one is added. ``headers``, ``description`` and
    ``secret`` change neither what is sent nor to whom, and are changed in place.

    A mistake in one of them is undone, reported, and stops no other.

    :param connection: the connection of the transaction, to the primary database.
    :param declarations: identity -> declaration.
    """

    def __init__(self, connection: Any, declarations: Mapping[str, TreeDeclaration]):
        self._connection = connection
        self._declarations = declarations
        self.lines: list[Line] = []
        self.changed = False

    def bring_in_line(self, find_root: Callable[[], Any]) -> None:
        """Do it all, but do not commit: :attr:`changed` says whether there is anything to.

        :param find_root: returns the application's root object; called if anything is declared.
        :raises transaction.interfaces.TransientError: it can be tried again.
        """
        kept: dict[str, list[OOBTree]] = {}
        for index in indexes(self._connection):
            for identity in index:
                kept.setdefault(identity, []).append(index)
        for identity in sorted(kept.keys() - self._declarations.keys()):
            for index in kept[identity]:
                self._try(identity, self._retire, index, identity, GONE)
        if not self._declarations:
            return
        root = self._try(', '.join(self._declarations), _found, find_root)
        if root is None:
            return
        for identity, declaration in self._declarations.items():
            holders = kept.get(identity, ())
            folder = self._try(identity, self._settle, root, declaration, holders)
            if folder is not None:
                self._try(identity, self._add, folder, declaration)

    def _try(self, what: str, action: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the action returns, or undo it, report why, and return None."""
        savepoint = self._connection.transaction_manager.savepoint()
        lines, changed = len(self.lines), self.changed
        try:
            return action(*arguments)
        except TransientError:
            raise
        except Exception as error:
            savepoint.rollback()
            del self.lines[lines:]
            self.changed = changed
            self._complain(what, error)
            return None

    def _complain(self, what: str, error: Exception) -> None:
        expected = isinstance(error, (Misplaced, InvalidArgument))
        reason = str(error) if expected else f'{type(error).__name__}: {error}'
        text = f'Not kept in the tree as the configuration wants it: {what}: {reason}'
        self.lines.append(Line(logging.ERROR, text, None if expected else error))

    def _settle(self, root: Any, declaration: TreeDeclaration, holders: Iterable[OOBTree]) -> Any:
        """Deactivate what is not as declared; where one is to be added, return the folder."""
        identity, settled, problem = declaration.identity, False, None
        folder = manager = None
        try:
            folder = find_folder(root, declaration)
            manager = manager_of(folder)
        except Misplaced as error:
            problem = error
        for index in holders:
            _, fingerprint, details, subscription = index[identity]
            if fingerprint != declaration.fingerprint:
                self._retire(index, identity, CHANGED)
            elif manager is None or manager.get(subscription.id) is not subscription:
                self._retire(index, identity, MOVED.format(path=declaration.path))
            else:
                settled = True
                if details != declaration.details:
                    self._change(index, subscription, declaration)
        if problem is not None:
            self._complain(identity, problem)
        return None if settled else folder

    def _add(self, folder: Any, declaration: TreeDeclaration) -> None:
        connection = connection_of(folder)
        if connection is None or (
            connection.transaction_manager is not self._connection.transaction_manager
        ):
            raise Misplaced(
                f'What is at {declaration.path} is not stored in the database that '
                f'pyramid_zodbconn opened for the request. Let the root factory begin with '
                f'get_connection(request).'
            )
        try:
            manager = manager_of(folder, create=True)
        except TypeError as error:
            raise Misplaced(f'{declaration.path}: {error}') from None
        subscription = manager.create_subscription(**declaration.arguments())
        index_of(connection)[declaration.identity] = _entry(subscription, declaration)
        self._note(logging.INFO, declaration.identity, f'added at {declaration.path}.')

    def _change(self, index: OOBTree, subscription: Any, declaration: TreeDeclaration) -> None:
        subscription.__parent__.change(
            subscription, headers=declaration.headers, description=declaration.description
        )
        subscription.set_secret(declaration.secret)
        index[declaration.identity] = _entry(subscription, declaration)
        self._note(logging.INFO, declaration.identity, f'changed at {declaration.path}.')

    def _retire(self, index: OOBTree, identity: str, reason: str) -> None:
        *_, subscription = index.pop(identity)
        if not subscription.removed and not subscription.__parent__.deactivate(
            subscription, reason
        ):
            # It was inactive already, for another reason than the one that counts now.
            subscription.status_message = reason
            subscription.touch()
        self._note(logging.WARNING, identity, reason)

    def _note(self, level: int, identity: str, text: str) -> None:
        self.changed = True
        self.lines.append(Line(level, f'The subscription {identity} in the tree: {text}'))


def _found(find_root: Callable[[], Any]) -> Any:
    root = find_root()
    if root is None:
        raise Misplaced("The root factory returned None for a request that is nobody's.")
    return root


def _entry(subscription: Any, declaration: TreeDeclaration) -> tuple[str, str, str, Any]:
    # The id comes first so that merging never compares references to different objects: they
    # can not be compared.
    return subscription.id, declaration.fingerprint, declaration.details, subscription


def find_folder(root: Any, declaration: TreeDeclaration) -> Any:
    """The folder that a subscription should be kept in.

    :raises Misplaced: when there is nothing, or something else.
    """
    path = declaration.path
    try:
        found = find_resource(root, declaration.place)
    except KeyError:
        raise Misplaced(
            f'There is nothing at {path}. Make a folder there, or configure another path.'
        ) from None
    if not is_folder(found) or any(map(ISubscriptionManager.providedBy, lineage(found))):
        raise Misplaced(
            f'The {type(found).__qualname__} at {path} is no folder. Configure the path of a '
            f'folder.'
        )
    return found


def index_of(connection: Any) -> OOBTree:
    """The index of one database, made if it is missing: identity -> (id, digests, subscription).

    Two processes that add the same subscription at once write to the same key, so that one of
    them meets a conflict, and finds what the other one has added when it tries again.
    """
    return kept_in_root(connection, ROOT_KEY, OOBTree)


def indexes(connection: Any) -> Iterator[OOBTree]:
    """The indexes of all databases that ``connection`` reaches."""
    return (index for _, index in kept_in_roots(connection, ROOT_KEY))
