"""The application that a command looks at or works in: made, not served, and closed in the end."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from typing import Any, TypeVar

import plaster
import transaction
from pyramid.exceptions import ConfigurationExecutionError
from pyramid.interfaces import IRequestFactory
from pyramid.paster import get_app, setup_logging
from pyramid.request import Request, apply_request_extensions
from pyramid.scripting import prepare
from pyramid_zodbconn import get_connection
from transaction.interfaces import NoTransaction, TransientError
from zc.lockfile import LockError

from pyramid_webhooks.interfaces import ISettings
from pyramid_webhooks.registries import databases_of
from pyramid_webhooks.scripts.outcome import UNUSABLE, CommandError
from pyramid_webhooks.startup import without_sending

logger = logging.getLogger(__name__)

_TRIES = 10
Answer = TypeVar('Answer')


class Application:
    """An application with one request, whose transaction has begun.

    :ivar root: what its root factory returns for that request.
    """

    def __init__(self, registry: Any, request: Any, root: Any, manager: Any):
        self.registry = registry
        self.request = request
        self.root = root
        self._manager = manager

    @property
    def connection(self) -> Any:
        """The request's connection to the primary database."""
        return get_connection(self.request)

    def change(self, note: str, action: Callable[[], Answer]) -> Answer:
        """Call ``action`` in a transaction of its own, again if others were faster; commit it.

        :param note: of the transaction.
        :raises CommandError: when others were always faster.
        """
        for _ in range(_TRIES):
            self.look_again()
            answer = action()
            self._manager.get().note(f'pwebhooks {note}')
            with contextlib.suppress(TransientError):
                self._manager.commit()
                self._manager.begin()
                return answer
        self.look_again()
        raise CommandError(f'Nothing was done: {_TRIES} times others changed the same. Try again.')

    def look_again(self) -> None:
        """See what others have committed; what was not committed here is undone."""
        self._manager.abort()
        self._manager.begin()


@contextlib.contextmanager
def open_application(config: str) -> Iterator[Application]:
    """Make the application of a configuration file, without sending, and close it in the end.

    :raises CommandError: when it can't be made.
    """
    registry = make_application(config)
    if not databases_of(registry):
        raise CommandError(
            'This application has no database (zodbconn.uri): what it owes is in the memory of '
            'each of its processes, where commands can not see it.',
            UNUSABLE,
        )
    try:
        factory = registry.queryUtility(IRequestFactory, default=Request)
        request = factory.blank('/')
        request.registry = registry
        apply_request_extensions(request)
        manager = getattr(request, 'tm', None) or transaction.manager
        # A root factory may write, when the database is new; pyramid.paster.bootstrap would call
        # it before a transaction has begun, which explicit managers do not take.
        manager.begin()
        environment = prepare(request, registry)
        try:
            # What it wrote is stored, as the first request to a new database would have it stored.
            manager.commit()
            manager.begin()
            yield Application(registry, request, environment['root'], manager)
        finally:
            with contextlib.suppress(NoTransaction):
                manager.abort()
            environment['closer']()
    finally:
        close_databases(registry)


def make_application(config: str, talkative: bool = False) -> Any:
    """Make the application of a configuration file, without sending; return its registry.

    :param talkative: log what this package does if the file says nothing about logging.
    :raises CommandError: when it can't be made.
    """
    try:
        with without_sending():
            begin_logging(config, talkative)
            registry = get_app(config).registry
    except CommandError:
        raise
    except LockError as error:
        raise CommandError(
            f'{error}: another process has this database open. A FileStorage belongs to one '
            f'process; stop that one, or use ZEO or RelStorage.',
            UNUSABLE,
        ) from error
    except ConfigurationExecutionError as error:
        raise _not_made(config, error.evalue) from error
    except Exception as error:
        raise _not_made(config, error) from error
    if registry.queryUtility(ISettings) is None:
        raise CommandError(
            f'The application of {config} does not include pyramid_webhooks.', UNUSABLE
        )
    return registry


def begin_logging(config: str, talkative: bool = False) -> None:
    """Log as the configuration file says.

    :param talkative: log what this package does if the file says nothing about logging.
    :raises CommandError: when there is no such file.
    """
    path = config.partition('#')[0]
    if '://' not in path and not os.path.isfile(path):
        raise CommandError(f'There is no configuration file {path!r}.', UNUSABLE)
    setup_logging(config)
    if talkative and 'loggers' not in plaster.get_sections(config):
        logging.getLogger('pyramid_webhooks').setLevel(logging.INFO)


def _not_made(config: str, error: BaseException) -> CommandError:
    said = f'{type(error).__name__}: {error}'.rstrip(': ')
    if isinstance(error, ModuleNotFoundError) and _is_here(error.name or ''):
        said += (
            '. It is in this folder, where a command that is installed does not look: install '
            'it, or type "python -m pyramid_webhooks.scripts" instead of "pwebhooks".'
        )
    return CommandError(f'The application of {config} could not be made. {said}', UNUSABLE)


def _is_here(module: str) -> bool:
    """Whether a module of this name would be found if the working directory were searched."""
    return bool(module) and PathFinder.find_spec(module, [os.getcwd()]) is not None


def close_databases(registry: Any) -> None:
    """Close the databases of the application."""
    for name, database in databases_of(registry).items():
        try:
            database.close()
        except Exception as error:
            # ZODB fails to close connections that could not be opened in an outage, and explicit
            # ones that are idle.
            logger.debug('The database %r was not closed well: %r.', name, error)
