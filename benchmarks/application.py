"""The application that is measured, with webhooks and, as the yardstick, without any."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import transaction
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from pyramid.authorization import ACLHelper, Allow
from pyramid.config import Configurator
from pyramid.request import Request, apply_request_extensions
from pyramid.threadlocal import RequestContext
from pyramid_zodbconn import get_connection
from zope.lifecycleevent import ObjectModifiedEvent
from zope.lifecycleevent.interfaces import (
    IObjectAddedEvent,
    IObjectModifiedEvent,
    IObjectRemovedEvent,
)

from pyramid_webhooks import manager_of, stop_delivery
from pyramid_webhooks.interfaces import IDeliveryEngine

EMPLOYEES = 64


class Folder(Persistent):
    """A folder that grants what it is told to."""

    __parent__: Any = None
    __name__ = ''

    def __init__(self) -> None:
        self._children = OOBTree()
        self.__acl__: list[Any] = []

    def __getitem__(self, name: str) -> Any:
        return self._children[name]

    def __contains__(self, name: str) -> bool:
        return name in self._children

    def __setitem__(self, name: str, child: Any) -> None:
        child.__parent__, child.__name__ = self, name
        self._children[name] = child


class Employee(Persistent):
    """A resource of about 120 bytes of JSON."""

    __parent__: Any = None
    __name__: str | None = None

    def __init__(self) -> None:
        self.number = 0

    def __json__(self, request: Any) -> dict[str, Any]:
        return {
            'id': self.__name__,
            'name': 'Ann Example',
            'title': 'Office manager',
            'office': '/NWS/OUN',
            'email': 'ann@example.com',
            'n': self.number,
        }


class Policy:
    """Access control lists; a request says itself who makes it."""

    def __init__(self) -> None:
        self._acl = ACLHelper()

    def identity(self, request: Any) -> Any:
        return request.headers.get('X-User')

    authenticated_userid = identity

    def permits(self, request: Any, context: Any, permission: str) -> Any:
        return self._acl.permits(context, principals_of(self.identity(request)), permission)

    def remember(self, request: Any, userid: str, **kw: Any) -> list[Any]:
        return []

    def forget(self, request: Any, **kw: Any) -> list[Any]:
        return []


def principals_of(userid: str | None, request: Any = None) -> list[str]:
    """The principals of a user."""
    return [] if userid is None else [userid, 'group:staff']


class Application:
    """A configured application with a FileStorage of its own.

    :param path: of the FileStorage.
    :param webhooks: whether it includes pyramid_webhooks.
    :param configure: called with the configurator, before the application is made of it.
    :param settings: of pyramid_webhooks, without the prefix.
    """

    def __init__(
        self,
        path: Path,
        webhooks: bool = True,
        configure: Callable[[Configurator], None] = lambda config: None,
        **settings: str,
    ):
        self.path = path
        uri = f'file://{path}?connection_pool_size=64'
        prefixed = {f'webhooks.{name}': value for name, value in settings.items()}
        base = {'zodbconn.uri': uri, 'tm.manager_hook': 'pyramid_tm.explicit_manager'}
        config = Configurator(settings={**base, **prefixed}, root_factory=_root_of_request)
        config.set_security_policy(Policy())
        config.include('pyramid_tm')
        config.include('pyramid_zodbconn')
        if webhooks:
            config.include('pyramid_webhooks')
            config.set_webhook_principals(principals_of)
            config.add_webhook_event('employee.modified', Employee, IObjectModifiedEvent)
            config.add_webhook_event('employee.added', Employee, IObjectAddedEvent)
            config.add_webhook_event('employee.removed', Employee, IObjectRemovedEvent)
        configure(config)
        self.wsgi = config.make_wsgi_app()
        self.registry = self.wsgi.registry
        self.database = self.registry._zodb_databases['']
        self._webhooks = webhooks
        self._fill()

    def close(self) -> None:
        """Stop sending, and close the database."""
        if self._webhooks:
            stop_delivery(self.registry)
        for database in self.registry._zodb_databases.values():
            database.close()

    def size(self) -> int:
        """Bytes of the FileStorage."""
        return self.path.stat().st_size

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Let a request be the current one."""
        request = Request.blank('/')
        request.registry = self.registry
        with RequestContext(request):
            apply_request_extensions(request)
            yield

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Folder]:
        """What a request's transaction is to the application: yields the root folder.

        A connection is opened, and closed after the commit.
        """
        manager = transaction.TransactionManager(explicit=True)
        manager.begin()
        connection = self.database.open(transaction_manager=manager)
        try:
            yield _root(connection)
            manager.commit()
        except BaseException:
            manager.abort()
            raise
        finally:
            connection.close()

    def change(
        self, number: int = 0, event: Callable[[Employee], Any] = ObjectModifiedEvent
    ) -> None:
        """One changed object and its event, committed: the unit of everything measured here.

        :param number: chooses the object, and is its ``n`` from then on.
        :param event: makes the event of the object.
        """
        with self.transaction() as root:
            employee = root['office'][f'employee-{number % EMPLOYEES:04}']
            self.modify(employee, number, event)

    def modify(
        self,
        employee: Employee,
        number: int,
        event: Callable[[Employee], Any] = ObjectModifiedEvent,
    ) -> None:
        """Change an object, and fire its event, in a transaction that is under way."""
        employee.number = number
        self.registry.notify(event(employee))

    def pause(self) -> None:
        """Send nothing until :meth:`resume`: what is committed is only owed."""
        stop_delivery(self.registry)

    def resume(self) -> None:
        """Send again."""
        self.registry.getUtility(IDeliveryEngine).start()

    def subscribe(self, count: int, url: str, events: str = 'employee.modified') -> None:
        """Let so many subscriptions, each of an owner of its own, want ``events``."""
        self.subscribe_each((f'{url}/{number}' for number in range(count)), events)

    def subscribe_each(self, urls: Iterable[str], events: str = 'employee.modified') -> None:
        """The same with one subscription for each of the URLs."""
        with self.request(), self.transaction() as root:
            manager = manager_of(root['office'], create=True)
            for number, url in enumerate(urls):
                manager.create_subscription(url, events=[events], owner=f'owner-{number}')

    def unsubscribe(self) -> None:
        """Take all subscriptions away."""
        with self.request(), self.transaction() as root:
            manager = manager_of(root['office'], create=True)
            for id in list(manager):
                del manager[id]

    def _fill(self) -> None:
        with self.transaction() as root:
            if 'office' in root._children:
                return
            office = root['office'] = Folder()
            for number in range(EMPLOYEES):
                office[f'employee-{number:04}'] = Employee()


def _root_of_request(request: Any) -> Folder:
    return _root(get_connection(request))


def _root(connection: Any) -> Folder:
    root = connection.root()
    if 'app' not in root:
        root['app'] = Folder()
        root['app'].__acl__ = [(Allow, 'group:staff', ('view', 'webhooks.view', 'webhooks.add'))]
    return root['app']


@contextlib.contextmanager
def applications() -> Iterator[Any]:
    """Yield a function like :class:`Application`, but with a place for the data chosen by it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='benchmarks_')))
        count = itertools.count()

        def make(webhooks: bool = True, **keywords: Any) -> Application:
            made = Application(folder / f'{next(count)}.fs', webhooks, **keywords)
            stack.callback(made.close)
            return made

        yield make
