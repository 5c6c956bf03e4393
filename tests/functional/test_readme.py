"""The example of the README does what the README says."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from pyramid.authorization import ALL_PERMISSIONS, ACLHelper, Allow, Everyone
from pyramid_zodbconn import get_connection
from webtest import TestApp

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.testing import Receiver, wait_for_deliveries

README = Path(__file__).parents[2] / 'README.rst'


class Employee(Persistent):
    def __init__(self, name):
        self.title = name

    def __json__(self, request):
        return {'name': self.title}


class Company(Persistent):
    __name__ = __parent__ = None
    __acl__ = ((Allow, 'grace', ALL_PERMISSIONS),)

    def __init__(self):
        self.children = OOBTree()

    def __getitem__(self, name):
        return self.children[name]

    def __setitem__(self, name, child):
        child.__name__, child.__parent__ = name, self
        self.children[name] = child


class Policy:
    """Whoever asks is Grace; the company's access control list says what she may do."""

    def identity(self, request):
        return 'grace'

    authenticated_userid = identity

    def permits(self, request, context, permission):
        return self.permits_for('grace', context, permission)

    def permits_for(self, userid, context, permission):
        return ACLHelper().permits(context, {userid, Everyone}, permission)


def company(request):
    root = get_connection(request).root()
    if 'company' not in root:
        root['company'] = Company()
    return root['company']


@pytest.fixture
def main():
    """What the README's code defines, given the few names that it takes for granted."""
    [block] = re.findall(r'\.\. code-block:: python\n\n((?:    .*\n|\n)+)', README.read_text())
    names = {'Employee': Employee, 'Policy': Policy, 'company': company}
    exec(compile(textwrap.dedent(block), 'README.rst', 'exec'), names)
    return names['main']


def test_whoever_follows_hears_of_whoever_is_hired(main, tmp_path):
    settings = {
        'zodbconn.uri': f'file://{tmp_path}/Data.fs?connection_pool_size=20',
        'tm.manager_hook': 'pyramid_tm.explicit_manager',
        'webhooks.allow_http': 'true',
        'webhooks.allowed_networks': '127.0.0.0/8',
    }
    app = main({}, **settings)
    try:
        browser = TestApp(app)
        with Receiver() as receiver:
            browser.post('/follow', {'to': receiver.url})
            browser.post('/hire')
            wait_for_deliveries(app.registry)
            [request] = receiver.requests
        assert request.json() == {'name': 'Ada'}
    finally:
        stop_delivery(app.registry, timeout=10)
        app.registry._zodb_databases[''].close()
