"""The demo of pyramid_webhooks: a company whose people subscribe to what happens below them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pyramid.config import Configurator
from pyramid.session import SignedCookieSessionFactory

from demo.resources import root_factory
from demo.security import CompanySecurityPolicy


def main(global_config, **settings):
    """Make the WSGI application.

    :param settings: those of ``development.ini``; its ``pyramid.includes`` bring the transaction
        manager, the retries and the database.
    """
    _make_folder_of(settings['zodbconn.uri'])
    config = Configurator(settings=settings, root_factory=root_factory)
    config.set_security_policy(CompanySecurityPolicy(settings['demo.secret']))
    config.set_session_factory(SignedCookieSessionFactory(settings['demo.secret']))
    config.include('pyramid_jinja2')
    config.include('pyramid_webhooks')
    config.include('demo.webhooks')
    config.include('demo.receiver')
    config.include('demo.views')
    return config.make_wsgi_app()


def _make_folder_of(uri: str) -> None:
    """Make the folder that a ``file://`` database is to be created in."""
    parts = urlsplit(uri)
    if parts.scheme == 'file':
        Path(parts.path).parent.mkdir(parents=True, exist_ok=True)
