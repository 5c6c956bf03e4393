"""A receiver that believes only what is signed, and does each thing once."""

import contextlib
import sqlite3

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNoContent, HTTPUnauthorized
from standardwebhooks import Webhook, WebhookVerificationError


def receive(request):
    settings = request.registry.settings
    try:
        article = Webhook(settings['secret']).verify(request.body, request.headers)
    except WebhookVerificationError:
        return HTTPUnauthorized()
    with contextlib.closing(sqlite3.connect(settings['database'])) as database, database:
        # In one transaction: the message is known, and what follows from it is done.
        seen = database.execute(
            'INSERT OR IGNORE INTO message VALUES (?)', (request.headers['webhook-id'],)
        )
        if seen.rowcount:
            database.execute('INSERT INTO article VALUES (?)', (article['title'],))
    return HTTPNoContent()


def main(global_config, **settings):
    with contextlib.closing(sqlite3.connect(settings['database'])) as database, database:
        database.execute('CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY)')
        database.execute('CREATE TABLE IF NOT EXISTS article (title TEXT)')
    config = Configurator(settings=settings)
    config.add_route('receive', '/', request_method='POST')
    config.add_view(receive, route_name='receive')
    return config.make_wsgi_app()
