"""A dialect whose bodies name the event."""

import json

from zope.interface import implementer

from pyramid_webhooks.interfaces import IWebhookDialect


@implementer(IWebhookDialect)
class NamedDialect:
    method = 'POST'
    content_type = 'application/json'

    def serialize(self, payload, request):
        return json.dumps(payload, default=lambda each: each.__json__(request)).encode()

    def body(self, outgoing):
        return b'{"event": "%b", "about": %b}' % (outgoing.event.encode(), outgoing.data)

    def headers(self, outgoing):
        return {}

    def prepare(self, outgoing, body):
        return None


def includeme(config):
    config.add_webhook_dialect('named', NamedDialect)
