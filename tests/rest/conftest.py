"""The application of these tests, as a client sees it."""

from __future__ import annotations

import contextlib

import pytest
import transaction
from pyramid.threadlocal import RequestContext
from webtest import TestApp

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.interfaces import ISettings
from pyramid_webhooks.testing import wait_for_deliveries
from tests.rest.application import configure, root_factory
from tests.rest.contract import check


class Client(TestApp):
    """A client of the application, who may say who it is.

    Every answer of the services is held against the OpenAPI document.
    """

    def do_request(self, req, *arguments, **keywords):
        answer = super().do_request(req, *arguments, **keywords)
        # 401 is an application's own way to show a 403.
        if self.has_services() and req.method != 'HEAD' and answer.status_int != 401:
            check(req.method, req.path_info, answer)
        return answer

    def has_services(self):
        return self.app.registry.getUtility(ISettings).rest

    def as_(self, user):
        return {'X-User': user} if user else {}

    def list(self, path='/docs', user='admin', query='', status=200):
        return self.get(
            f'{path.rstrip("/")}/__webhooks__{query}', headers=self.as_(user), status=status
        ).json

    def subscribe(self, path='/docs', user='admin', status=201, **fields):
        fields = {'to': 'https://example.com/hook', 'events': ['document.added'], **fields}
        url = f'{path.rstrip("/")}/__webhooks__'
        return self.post_json(url, fields, headers=self.as_(user), status=status).json

    def read(self, url, user='admin', status=200):
        return self.get(url, headers=self.as_(user), status=status).json

    def change(self, url, user='admin', status=200, **fields):
        return self.patch_json(url, fields, headers=self.as_(user), status=status).json

    @contextlib.contextmanager
    def root(self):
        """The root of the tree in a transaction of its own, as in a request."""
        request = self.app.request_factory.blank('/')
        request.registry = self.app.registry
        request.tm = manager = transaction.TransactionManager(explicit=True)
        with RequestContext(request), manager:
            yield root_factory(request)
        for callback in request.finished_callbacks:
            callback(request)


@pytest.fixture
def make_client(tmp_path):
    """A function that makes the application, configured further by its argument."""
    made = []

    def make(extend=None, **options):
        app = configure(tmp_path, extend, **options).make_wsgi_app()
        made.append(app)
        return Client(app)

    yield make
    for app in made:
        stop_delivery(app.registry, timeout=10)
        for database in app.registry._zodb_databases.values():
            database.close()


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def delivered():
    """A function that waits until everything that is owed has been sent."""

    def wait(client):
        wait_for_deliveries(client.app.registry, timeout=20)

    return wait
