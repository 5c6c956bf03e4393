"""Bringing the tree in line when the application starts: its request, transaction and tries."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Iterator
from typing import Any

import transaction
from pyramid.interfaces import IRequestFactory, IRootFactory
from pyramid.registry import Registry
from pyramid.request import Request, apply_request_extensions
from pyramid.threadlocal import RequestContext
from pyramid.traversal import DefaultRootFactory
from pyramid_zodbconn import get_connection
from transaction.interfaces import NoTransaction, TransientError
from ZODB.POSException import ReadOnlyError

from pyramid_webhooks.interfaces import ITreeDeclarations
from pyramid_webhooks.registries import databases_of
from pyramid_webhooks.resources.upkeep import Line, Upkeep, indexes

logger = logging.getLogger(__name__)

_TRIES = 50
#: Longest pause, in seconds, before another try.
_PAUSE = 0.05


def bring_tree_in_line(registry: Registry) -> None:
    """Make the tree have the subscriptions that the configuration wants to be kept there.

    Several processes may do it at once. Nothing that goes wrong is raised; it is logged, with the
    names of the subscriptions.
    """
    declarations = registry.getUtility(ITreeDeclarations)
    names = ', '.join(declarations) or 'those that were removed'
    if '' not in databases_of(registry):
        if declarations:
            logger.error(
                'Not kept in the tree as the configuration wants it: %s: there is no database. '
                'Include pyramid_zodbconn and set zodbconn.uri, or leave out the path.',
                names,
            )
        return
    if not declarations and not _anything_kept(registry):
        return
    for attempt in range(_TRIES):
        try:
            lines = _try_once(registry)
        except TransientError:
            if attempt + 1 == _TRIES:
                logger.exception('The subscriptions in the tree met conflicts only: %s.', names)
                return
            time.sleep(random.uniform(0, _PAUSE))
        except ReadOnlyError:
            logger.warning('The database is read-only: subscriptions are left alone: %s.', names)
            return
        except Exception:
            logger.exception('The subscriptions in the tree are left alone: %s.', names)
            return
        else:
            for line in lines:
                logger.log(line.level, '%s', line.text, exc_info=line.error)
            return


def _try_once(registry: Registry) -> list[Line]:
    with blank_request(registry) as request:
        root_factory = registry.queryUtility(IRootFactory, default=DefaultRootFactory)
        upkeep = Upkeep(get_connection(request), registry.getUtility(ITreeDeclarations))
        upkeep.bring_in_line(lambda: root_factory(request))
        if upkeep.changed:
            request.tm.get().note('webhooks: subscriptions of the configuration')
            request.tm.commit()
        return upkeep.lines


def _anything_kept(registry: Registry) -> bool:
    manager = transaction.TransactionManager()
    connection = databases_of(registry)[''].open(transaction_manager=manager)
    try:
        return any(map(bool, indexes(connection)))
    finally:
        manager.abort()
        connection.close()


@contextlib.contextmanager
def blank_request(registry: Registry) -> Iterator[Any]:
    """A current request of nobody, in a transaction of its own that is aborted in the end.

    ``request.tm`` is the explicit manager of that transaction, whatever manager the application's
    requests have, so that it meets neither another thread nor the caller's transaction.
    """
    request = registry.queryUtility(IRequestFactory, default=Request).blank('/')
    request.registry = registry
    manager = transaction.TransactionManager(explicit=True)
    context = RequestContext(request)
    context.begin()
    try:
        apply_request_extensions(request)
        request.tm = manager
        manager.begin()
        yield request
    finally:
        try:
            with contextlib.suppress(NoTransaction):
                manager.abort()
            request._process_finished_callbacks()
        finally:
            context.end()
