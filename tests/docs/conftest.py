"""The tutorial's journal, running, with the names that the pages' examples use."""

from __future__ import annotations

import pytest
from pyramid.paster import get_app
from pyramid.scripting import prepare
from webtest import TestApp

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.testing import Receiver
from tests.docs.sessions import EXAMPLES, copy_journal


def visitor(app, userid, password):
    visitor = TestApp(app)
    visitor.authorization = 'Basic', (userid, password)
    return visitor


@pytest.fixture
def journal_here(tmp_path, monkeypatch):
    """The current folder has the tutorial's journal, which can be imported."""
    copy_journal(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.fixture
def names(journal_here):
    with Receiver() as receiver:
        app = get_app('journal.ini')
        eve = visitor(app, 'eve', 'the editor')
        # The first request founds the journal.
        eve.get('/')
        environment = prepare(registry=app.registry)
        yield {
            'app': app,
            'eve': eve,
            'journal': environment['root'],
            'receiver': receiver,
            'request': environment['request'],
            'sam': visitor(app, 'sam', 'of science'),
        }
        environment['closer']()
        stop_delivery(app.registry, timeout=10)
        app.registry._zodb_databases[''].close()


@pytest.fixture
def extend(tmp_path, monkeypatch):
    """A function that starts the journal with further modules and lines of the ini file.

    It returns the application as the editor sees it.
    """
    made = []

    def start(*modules, text=''):
        folder = tmp_path / f'extended{len(made)}'
        folder.mkdir()
        copy_journal(folder)
        monkeypatch.syspath_prepend(EXAMPLES)
        configuration = folder / 'journal.ini'
        includes = '\n    '.join(('pyramid_zodbconn', 'pyramid_webhooks', *modules))
        written = configuration.read_text()
        written = written.replace('    pyramid_zodbconn\n', f'    {includes}\n')
        written = written.replace('[server:main]', f'{text}\n[server:main]')
        configuration.write_text(written)
        made.append(get_app(str(configuration)))
        return visitor(made[-1], 'eve', 'the editor')

    yield start
    for app in made:
        stop_delivery(app.registry, timeout=10)
        app.registry._zodb_databases[''].close()
