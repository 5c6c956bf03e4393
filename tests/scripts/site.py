"""The company as an application that a configuration file describes."""

from pathlib import Path

from pyramid.config import Configurator

from tests.company import Company

INI = """\
[app:main]
use = call:tests.scripts.site:main
"""


def main(global_config, **settings):
    return Company(Path(), settings=settings).start().app


def without_database(global_config, **settings):
    """An application that keeps nothing."""
    config = Configurator(settings=settings)
    config.include('pyramid_webhooks')
    return config.make_wsgi_app()


def without_webhooks(global_config, **settings):
    """An application that has nothing to do with webhooks."""
    return Configurator(settings=settings).make_wsgi_app()


def write_ini(path, **settings):
    """Write a configuration file with these settings, and return its path as text."""
    lines = [f'{name.replace("__", ".")} = {value}\n' for name, value in settings.items()]
    path.write_text(INI + ''.join(lines))
    return str(path)
