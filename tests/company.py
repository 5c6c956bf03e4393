"""A small company to test with: folders with ACLs, employees, an application around them."""

import json
import logging
import threading
import time

import transaction
from persistent import Persistent
from persistent.mapping import PersistentMapping
from pyramid.authorization import ACLHelper, Allow, Authenticated, Everyone
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid_zodbconn import get_connection
from webtest import TestApp
from zope.interface import Interface, implementer
from zope.interface.interfaces import IObjectEvent, ObjectEvent
from zope.lifecycleevent import (
    IObjectAddedEvent,
    IObjectModifiedEvent,
    IObjectRemovedEvent,
    ObjectAddedEvent,
    ObjectModifiedEvent,
    ObjectRemovedEvent,
)

from pyramid_webhooks import manager_of, stop_delivery, subscribe
from pyramid_webhooks.registries import databases_of
from pyramid_webhooks.testing import wait_for_deliveries

PEOPLE = ('president', 'head', 'manager', 'other_manager', 'outsider')
QUICK = {
    'webhooks.allow_http': 'true',
    'webhooks.allowed_networks': '127.0.0.0/8',
    'webhooks.retry_schedule': '50ms 50ms 50ms',
    'webhooks.retry_jitter': '0',
}


class IPerson(Interface):
    """Somebody."""


class IEmployee(IPerson):
    """Somebody who works here."""


class IPromoted(IObjectEvent):
    """Somebody was promoted."""


@implementer(IPromoted)
class Promoted(ObjectEvent):
    """Somebody was promoted."""


class Folder(PersistentMapping):
    """A department, an office, or the company."""

    __parent__ = None
    __name__ = ''

    def __init__(self, viewers=()):
        super().__init__()
        self.viewers = tuple(viewers)

    @property
    def __acl__(self):
        return [(Allow, viewer, 'view') for viewer in self.viewers]

    def __setitem__(self, name, child):
        child.__parent__, child.__name__ = self, name
        super().__setitem__(name, child)


@implementer(IEmployee)
class Employee(Persistent):
    """An employee."""

    __parent__ = None
    __name__ = None

    def __init__(self, name, age=30):
        self.name = name
        self.age = age

    def __json__(self, request):
        return {'name': self.name, 'age': self.age}


class Security:
    """A policy of ACLs that knows its people."""

    def __init__(self, people=PEOPLE):
        self.people = people
        self.acl = ACLHelper()

    def identity(self, request):
        return request.headers.get('X-User')

    authenticated_userid = identity

    def permits(self, request, context, permission):
        return bool(self.permits_for(self.identity(request), context, permission))

    def permits_for(self, userid, context, permission):
        if userid not in self.people:
            return None
        return bool(self.acl.permits(context, [Everyone, Authenticated, userid], permission))

    def remember(self, request, userid, **keywords):
        return []

    def forget(self, request, **keywords):
        return []


class WithoutVerdicts(Security):
    """A policy that can judge the current user only."""

    permits_for = None


def new_company():
    """/, /NWS and /NWS/OUN, and another office /NWS/NCA."""
    root = Folder(['president'])
    root['NWS'] = Folder(['head'])
    root['NWS']['OUN'] = Folder(['manager'])
    root['NWS']['NCA'] = Folder(['other_manager'])
    return root


def root_factory(request):
    """The company; a request does what it is told by :meth:`Company.request`."""
    return get_connection(request).root()['company']


def add(folder, name, notify, **values):
    """Add an employee, and fire the event."""
    employee = folder[name] = Employee(name, **values)
    notify(ObjectAddedEvent(employee, folder, name))
    return employee


def modify(employee, notify, **values):
    """Change an employee, and fire the event."""
    for name, value in values.items():
        setattr(employee, name, value)
    notify(ObjectModifiedEvent(employee))


def remove(folder, name, notify):
    """Remove an employee, who loses the place, and fire the event."""
    employee = folder[name]
    del folder[name]
    employee.__parent__ = employee.__name__ = None
    notify(ObjectRemovedEvent(employee, folder, name))
    return employee


class Company:
    """The application, as its tests use it. It can be stopped, and started again.

    :param setup: callable (config) that configures more.
    """

    def __init__(self, folder, settings=(), policy=None, setup=None, manager='explicit'):
        self.path = str(folder / 'Data.fs')
        self.settings = {**QUICK, **dict(settings)}
        self.policy = Security() if policy is None else policy
        self.setup = setup
        self.manager = manager
        self.app = None
        self._actions = {}
        self._number = 0
        self._lock = threading.Lock()

    def start(self):
        settings = {'zodbconn.uri': f'file://{self.path}?connection_pool_size=40', **self.settings}
        if self.manager == 'explicit':
            settings['tm.manager_hook'] = 'pyramid_tm.explicit_manager'
        settings['tm.commit_veto'] = 'pyramid_tm.default_commit_veto'
        settings['retry.attempts'] = 3
        config = Configurator(settings=settings, root_factory=root_factory)
        try:
            return self._start(config)
        except BaseException:
            for database in databases_of(config.registry).values():
                database.close()
            raise

    def _start(self, config):
        config.set_security_policy(self.policy)
        for name in ('pyramid_tm', 'pyramid_retry', 'pyramid_zodbconn', 'pyramid_webhooks'):
            config.include(name)
        config.add_webhook_event('employee.added', IEmployee, IObjectAddedEvent)
        config.add_webhook_event('employee.modified', IEmployee, IObjectModifiedEvent)
        config.add_webhook_event('employee.removed', IEmployee, IObjectRemovedEvent)
        config.add_webhook_event('employee.greeted', IEmployee)
        config.add_webhook_event('company.closed')
        config.add_view(self._act, name='act')
        config.add_view(lambda request: Response('none', status=500), context=Deliberate)
        if self.setup is not None:
            self.setup(config)
        config.commit()
        self._fill(databases_of(config.registry)[''])
        self.app = config.make_wsgi_app()
        self.registry = self.app.registry
        self.client = TestApp(self.app)
        return self

    @staticmethod
    def _fill(database):
        manager = transaction.TransactionManager()
        with manager:
            connection = database.open(manager)
            connection.root().setdefault('company', new_company())
        connection.close()

    def stop(self, timeout=None):
        """Stop sending, and close the databases."""
        if self.app is not None:
            stop_delivery(self.registry, timeout)
            for database in databases_of(self.registry).values():
                database.close()
            self.app = None

    def restart(self, **changes):
        """Stop, and start anew with other ``settings``, ``policy`` or ``setup``."""
        self.stop()
        for name, value in changes.items():
            setattr(self, name, value)
        return self.start()

    # -- doing something

    def _act(self, context, request):
        answer = self._actions[request.params['action']](context, request)
        return answer if isinstance(answer, Response) else Response(json.dumps(answer))

    def request(self, action, path='/', user=None, status=None):
        """Call ``action(context, request)`` in a request, and return its JSON."""
        with self._lock:
            self._number += 1
            number = str(self._number)
            self._actions[number] = action
        headers = {} if user is None else {'X-User': user}
        url = f'{path.rstrip("/")}/act'
        response = self.client.get(url, {'action': number}, headers, status=status)
        return json.loads(response.text) if response.status_code == 200 else response

    def transact(self, action):
        """Call ``action(company)`` in a transaction without a request, and return the answer."""
        manager = transaction.TransactionManager()
        connection = self.database.open(manager)
        try:
            answer = action(connection.root()['company'])
            manager.commit()
            return answer
        finally:
            manager.abort()
            connection.close()

    @property
    def database(self):
        """The primary database."""
        return databases_of(self.registry)['']

    def subscribe(self, path, to, events=('employee.*',), **keywords):
        """Subscribe in a folder, and return the id."""

        def do(context, request):
            return subscribe(context, to, events=list(events), **keywords).id

        return self.request(do, path)

    def add(self, path, *names, **values):
        """Add employees in one request."""

        def do(context, request):
            for name in names:
                add(context, name, request.registry.notify, **values)

        return self.request(do, path)

    def at(self, path, action):
        """Call ``action(manager)`` for the manager at ``path`` in a transaction."""

        def do(root):
            for name in filter(None, path.split('/')):
                root = root[name]
            return action(manager_of(root))

        return self.transact(do)

    # -- looking

    def settle(self, timeout=20):
        """Wait until nothing that is due is owed."""
        wait_for_deliveries(self.registry, timeout)

    def attempts(self, path, id=None):
        """(status, number, message, event, message id) of all attempts below a manager."""

        def look(manager):
            return [
                (each.status, each.number, each.message, each.event, each.message_id)
                for subscription in manager.values()
                if id is None or subscription.id == id
                for each in subscription.attempts.values()
            ]

        return self.at(path, look)


class Deliberate(Exception):
    """Raised by an action of a test."""


def wait_until(condition, timeout=10, what='the condition'):
    """Return what ``condition()`` returns as soon as that is true."""
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f'{what} did not come true within {timeout} seconds')
        threading.Event().wait(0.01)


def names_of(receiver):
    """Whom the deliveries are about, in the order of their arrival."""
    return [request.json()['name'] for request in receiver.requests]


def messages(caplog, level=logging.WARNING):
    """What was logged, as one text."""
    return '\n'.join(each.getMessage() for each in caplog.records if each.levelno >= level)
