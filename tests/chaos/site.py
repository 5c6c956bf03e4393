"""An application with subscriptions made over REST, which looks names up as it is told."""

import json
import socket

import transaction
from pyramid.threadlocal import RequestContext
from webtest import TestApp
from zope.lifecycleevent import ObjectAddedEvent

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.delivery.transport import WebhookAdapter
from pyramid_webhooks.registries import databases_of
from pyramid_webhooks.testing import wait_for_deliveries
from tests.rest.application import Document, configure, root_factory

ADMIN = {'X-User': 'admin'}
JSON = {**ADMIN, 'Content-Type': 'application/json'}


class Site:
    """The application. Use it as a context manager.

    :param look_up: callable (name) that returns addresses, or raises an OSError
    """

    def __init__(self, path, look_up, **settings):
        self._look_up = look_up
        config = configure(
            path, lambda config: config.set_webhook_transport(self._transport), **settings
        )
        self._app = config.make_wsgi_app()
        self._client = TestApp(self._app)
        self._documents = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        stop_delivery(self._app.registry, timeout=10)
        for database in databases_of(self._app.registry).values():
            database.close()

    def subscribe(self, to, status=201):
        """Subscribe over REST; return the answer's JSON."""
        fields = {'to': to, 'events': ['document.added']}
        return self._client.post_json(
            '/docs/__webhooks__', fields, headers=ADMIN, status=status
        ).json

    def request(self, method, url, fields):
        """Make any request; return its answer, whatever it is."""
        return self._client.request(
            url, method=method, body=json.dumps(fields).encode(), headers=JSON, status='*'
        )

    def fire(self, wait=True):
        """Add a document, and wait until all who want to know have been told, or can't be."""
        request = self._app.request_factory.blank('/')
        request.registry = self._app.registry
        request.tm = manager = transaction.TransactionManager(explicit=True)
        with RequestContext(request), manager:
            self._documents += 1
            name = f'd{self._documents}'
            root_factory(request)['docs'][name] = document = Document()
            request.registry.notify(ObjectAddedEvent(document))
        for callback in request.finished_callbacks:
            callback(request)
        if wait:
            self.settle()

    def settle(self):
        """Wait until nothing that is due is owed."""
        wait_for_deliveries(self._app.registry, timeout=120)

    def attempts(self, made):
        """The attempts of a subscription, as REST shows them."""
        return self._client.get(made['attempts_url'], headers=ADMIN).json['attempts']

    def close_connections(self):
        """Close the connections that are kept."""
        self.adapter.close()

    def _transport(self, settings, policy):
        self.adapter = WebhookAdapter(
            policy,
            connect_timeout=settings.connect_timeout,
            timeout=settings.timeout,
            max_response=settings.max_response,
            ca_bundle=settings.ca_bundle,
            proxy=settings.proxy,
            resolver=self._resolve,
        )
        return self.adapter

    def _resolve(self, host, port, type):
        return [
            (socket.AF_INET6, type, 6, '', (address, 1, 0, 0))
            if ':' in address
            else (socket.AF_INET, type, 6, '', (address, 1))
            for address in ([host] if host == '127.0.0.1' else self._look_up(host))
        ]
