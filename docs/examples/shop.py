"""A shop on SQLAlchemy, whose orders are told to the warehouse."""

import zope.sqlalchemy
from pyramid.config import Configurator
from sqlalchemy import engine_from_config
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker


class Base(DeclarativeBase):
    """What is mapped."""


class Order(Base):
    """Something that was ordered."""

    __tablename__ = 'orders'

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    paid: Mapped[bool] = mapped_column(default=False)

    def __json__(self, request):
        return {'id': self.id, 'title': self.title, 'paid': self.paid}


def order(request):
    """Take an order. It has an id when the transaction commits, and the warehouse gets it."""
    taken = Order(title=request.params['title'])
    request.db.add(taken)
    request.webhooks.notify('order.placed', taken)
    return {'thanks': 'for your order'}


def pay(request):
    """Note that an order is paid."""
    found = request.db.get_one(Order, request.matchdict['id'])
    found.paid = True
    request.webhooks.notify('order.paid', found)
    return found


def main(global_config, **settings):
    """Make the WSGI application."""
    config = Configurator(settings=settings)
    config.include('pyramid_tm')
    config.include('pyramid_webhooks')
    config.add_webhook_event('order.placed', for_=Order)
    config.add_webhook_event('order.paid', for_=Order)

    engine = engine_from_config(settings, 'sqlalchemy.')
    Base.metadata.create_all(engine)
    new_session = sessionmaker(engine)

    def db(request):
        session = new_session()
        zope.sqlalchemy.register(session, transaction_manager=request.tm)
        return session

    config.add_request_method(db, reify=True)
    config.add_route('orders', '/orders')
    config.add_route('payment', '/orders/{id}/payment')
    for view, route in (order, 'orders'), (pay, 'payment'):
        config.add_view(view, route_name=route, request_method='POST', renderer='json')
    return config.make_wsgi_app()
