"""The shop of the page about applications without ZODB."""

from __future__ import annotations

import shutil

import pytest
from pyramid.paster import get_app
from standardwebhooks import Webhook
from webtest import TestApp

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.testing import wait_for_deliveries
from tests.docs.sessions import EXAMPLES

SECRET = 'whsec_bm90LWEtc2VjcmV0LWF0LWFsbC1vbmx5LWEtZXhhbXBsZQ=='
MORE = """
webhooks.allow_http = true
webhooks.allowed_networks = 127.0.0.0/8
"""


@pytest.fixture
def make_shop(tmp_path, monkeypatch, receiver):
    """Makes the shop, with a warehouse that listens here, and more settings."""
    monkeypatch.syspath_prepend(EXAMPLES)
    made = []

    def make(more=''):
        configuration = tmp_path / 'shop.ini'
        shutil.copy(EXAMPLES / 'shop.ini', configuration)
        text = configuration.read_text()
        text = text.replace('https://warehouse.example.com/orders', receiver.url_for('orders'))
        configuration.write_text(text + MORE + more)
        app = get_app(str(configuration))
        made.append(app)
        return TestApp(app)

    yield make
    for app in made:
        stop_delivery(app.registry, timeout=5)
        for database in getattr(app.registry, '_zodb_databases', {}).values():
            database.close()


def buy(shop, receiver):
    """Order and pay; return what the warehouse got."""
    shop.post('/orders', {'title': 'lamp'})
    shop.post('/orders/1/payment')
    wait_for_deliveries(shop.app.registry)
    return sorted((request.json() for request in receiver.requests), key=lambda sent: sent['type'])


def test_the_warehouse_is_told_of_orders(make_shop, receiver):
    paid, placed = buy(make_shop(), receiver)
    assert (placed['type'], paid['type']) == ('order.placed', 'order.paid')
    assert placed['data'] == {'id': 1, 'title': 'lamp', 'paid': False}
    assert paid['data']['paid'] is True
    for request in receiver.requests:
        Webhook(SECRET).verify(request.body, dict(request.headers))


def test_with_a_database_for_webhooks_what_is_owed_survives_the_process(
    make_shop, receiver, tmp_path
):
    zodb = f"""
pyramid.includes = pyramid_zodbconn
zodbconn.uri = file://{tmp_path}/webhooks.fs
"""
    shop = make_shop(zodb + 'webhooks.delivery = worker\n')
    shop.post('/orders', {'title': 'lamp'})
    stop_delivery(shop.app.registry)
    for database in shop.app.registry._zodb_databases.values():
        database.close()
    assert receiver.requests == []
    shop = make_shop(zodb)
    wait_for_deliveries(shop.app.registry)
    assert [request.json()['data']['title'] for request in receiver.requests] == ['lamp']
