"""What the README shows, and the commands it names."""

from __future__ import annotations

import re
import sys
import textwrap
import types

import pytest
from standardwebhooks import Webhook
from webtest import TestApp

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.testing import Receiver
from tests.docs.sessions import CLONE

README = (CLONE / 'README.rst').read_text()


@pytest.fixture
def office(tmp_path, monkeypatch):
    """The application of the README, from a module of its own as pickles need one."""
    [code] = re.findall(r'^\.\. code-block:: python\n\n((?:    .*\n|\n)+)', README, re.MULTILINE)
    module = types.ModuleType('readme')
    monkeypatch.setitem(sys.modules, 'readme', module)
    exec(compile(textwrap.dedent(code), 'README.rst', 'exec'), module.__dict__)
    settings = {
        'zodbconn.uri': f'file://{tmp_path}/Data.fs?connection_pool_size=20',
        'webhooks.allow_http': 'true',
        'webhooks.allowed_networks': '127.0.0.0/8',
    }
    app = module.main({}, **settings)
    yield TestApp(app)
    stop_delivery(app.registry, timeout=10)
    app.registry._zodb_databases[''].close()


def test_the_example_tells_a_receiver_of_the_new_employee(office):
    with Receiver() as receiver:
        secret = office.post('/follow', {'to': receiver.url}).json['secret']
        assert office.post('/hire').json == {'name': 'Ada'}
        [request] = receiver.wait_for(1)
        assert Webhook(secret).verify(request.body, request.headers) == {'name': 'Ada'}


def test_every_command_and_every_link_exists():
    makefile = (CLONE / 'Makefile').read_text()
    commands = set(re.findall(r'\bmake ([a-z]+)', README))
    assert {'demo', 'test', 'docs'} <= commands
    assert all(re.search(f'^{each}:', makefile, re.MULTILINE) for each in commands)
    links = re.findall(r'<([\w/]+\.rst)>', README)
    assert links
    assert all((CLONE / each).is_file() for each in links)
