"""An application on SQLAlchemy, without ZODB: a shop, and how its tests use it."""

import json
import threading

import zope.sqlalchemy
from pyramid.authorization import Allow
from pyramid.config import Configurator
from pyramid.response import Response
from sqlalchemy import ForeignKey, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, sessionmaker
from webtest import TestApp
from zope.interface import Interface, implementer
from zope.lifecycleevent import ObjectAddedEvent, ObjectRemovedEvent
from zope.lifecycleevent.interfaces import (
    IObjectAddedEvent,
    IObjectModifiedEvent,
    IObjectRemovedEvent,
)

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.interfaces import IDeliveryEngine, IGlobalManager
from pyramid_webhooks.registries import memory_of
from pyramid_webhooks.testing import wait_for_deliveries
from tests.company import QUICK, Deliberate, Security

PEOPLE = ('clerk', 'boss')


class Base(DeclarativeBase):
    """What is mapped. The events of zope.lifecycleevent ask for the place of an object."""

    __parent__ = __name__ = None


class IOrder(Interface):
    """Something that was ordered."""


@implementer(IOrder)
class Order(Base):
    """Something that was ordered; the boss sees all, the clerk what is small."""

    __tablename__ = 'orders'

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    amount: Mapped[int] = mapped_column(default=1)
    items: Mapped[list['Item']] = relationship()

    def __acl__(self):
        viewers = PEOPLE if (self.amount or 0) < 100 else ('boss',)
        return [(Allow, viewer, 'view') for viewer in viewers]

    def __json__(self, request):
        return {
            'id': self.id,
            'title': self.title,
            'amount': self.amount,
            'items': [item.name for item in self.items],
        }


class Item(Base):
    """A part of an order."""

    __tablename__ = 'items'

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey('orders.id'))
    name: Mapped[str]


class Root:
    """The root of the tree, which holds nothing."""

    __parent__ = None
    __name__ = ''
    __acl__ = ((Allow, 'boss', ('webhooks.view', 'webhooks.add', 'webhooks.retry')),)

    def __getitem__(self, name):
        raise KeyError(name)


def ini(name, to, **options):
    """The settings of a global subscription."""
    values = {'to': to, 'events': '*', **options}
    return {
        'webhooks.subscriptions': name,
        **{f'webhooks.subscription.{name}.{key}': value for key, value in values.items()},
    }


class Shop:
    """The application, as its tests use it.

    :param manager: ``explicit`` or ``implicit``: the kind of its transaction manager.
    """

    def __init__(self, folder, settings=(), setup=None, manager='explicit'):
        self.uri = f'sqlite:///{folder}/shop.db'
        self.settings = {**QUICK, **dict(settings)}
        self.setup = setup
        self.manager = manager
        self.app = None
        self._actions = {}
        self._lock = threading.Lock()

    def start(self):
        self.sql = create_engine(self.uri, connect_args={'timeout': 30})
        _let_savepoints_work(self.sql)
        Base.metadata.create_all(self.sql)
        self.make_session = sessionmaker(self.sql)
        settings = {
            'tm.commit_veto': 'pyramid_tm.default_commit_veto',
            'retry.attempts': 3,
            **self.settings,
        }
        if self.manager == 'explicit':
            settings['tm.manager_hook'] = 'pyramid_tm.explicit_manager'
        config = Configurator(settings=settings, root_factory=lambda request: Root())
        config.set_security_policy(Security(PEOPLE))
        for name in ('pyramid_tm', 'pyramid_retry', 'pyramid_webhooks'):
            config.include(name)
        config.add_webhook_event('order.added', IOrder, IObjectAddedEvent)
        config.add_webhook_event('order.modified', IOrder, IObjectModifiedEvent)
        config.add_webhook_event('order.removed', IOrder, IObjectRemovedEvent)
        config.add_webhook_event('order.paid', IOrder)
        config.add_webhook_event('shop.closed')
        config.add_request_method(self._session, 'db', reify=True)
        config.add_route('act', '/act/{action}')
        config.add_view(self._act, route_name='act')
        config.add_view(lambda request: Response('none', status=500), context=Deliberate)
        if self.setup is not None:
            self.setup(config)
        self.app = config.make_wsgi_app()
        self.registry = self.app.registry
        self.client = TestApp(self.app)
        return self

    def _session(self, request):
        return self.new_session(request.tm)

    def new_session(self, manager):
        """A session that is committed with the transaction of ``manager``."""
        session = self.make_session()
        zope.sqlalchemy.register(session, transaction_manager=manager)
        return session

    def stop(self, timeout=1):
        if self.app is not None:
            stop_delivery(self.registry, timeout)
            self.app = None
        self.sql.dispose()

    # -- doing something

    def _act(self, request):
        answer = self._actions[request.matchdict['action']](request)
        return answer if isinstance(answer, Response) else Response(json.dumps(answer))

    def request(self, action, user=None, status=None):
        """Call ``action(request)`` in a request, and return its JSON."""
        with self._lock:
            number = str(len(self._actions))
            self._actions[number] = action
        headers = {} if user is None else {'X-User': user}
        response = self.client.get(f'/act/{number}', None, headers, status=status)
        return json.loads(response.text) if response.status_code == 200 else response

    def add(self, *titles, **values):
        """Add orders in one request."""

        def do(request):
            for title in titles:
                add(request, title, **values)

        return self.request(do)

    # -- looking

    def settle(self, timeout=20):
        """Wait until nothing that is due is owed."""
        wait_for_deliveries(self.registry, timeout)

    def stored(self):
        """The titles of the orders in the SQL database."""
        with self.make_session() as session:
            return [order.title for order in session.query(Order).order_by(Order.id)]

    def attempts(self, id='audit'):
        """(status, number, message) of the attempts of a global subscription."""
        with self.memory.session() as connection:
            manager = self.registry.getUtility(IGlobalManager)
            located = manager[id].located(manager, connection)
            return [(each.status, each.number, each.message) for each in located.attempts.values()]

    @property
    def memory(self):
        return memory_of(self.registry)

    @property
    def engine(self):
        return self.registry.getUtility(IDeliveryEngine)


def add(request, title, **values):
    """Add an order, and fire the event; it gets its id when the session is flushed."""
    order = Order(title=title, **values)
    request.db.add(order)
    request.registry.notify(ObjectAddedEvent(order))
    return order


def remove(request, id=1):
    """Remove an order, and fire the event."""
    order = request.db.get(Order, id)
    request.registry.notify(ObjectRemovedEvent(order))
    request.db.delete(order)


def titles(shop, receiver):
    """What was sent, after a delivery that shows that all is through."""
    shop.add('last')
    shop.settle()
    found = [request.json()['title'] for request in receiver.requests]
    assert found.count('last') == 1
    return [title for title in found if title != 'last']


def _let_savepoints_work(engine):
    """The driver would begin and end transactions as it likes."""

    @event.listens_for(engine, 'connect')
    def connect(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine, 'begin')
    def begin(connection):
        connection.exec_driver_sql('BEGIN IMMEDIATE')
