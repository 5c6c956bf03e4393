"""How an application tests that its webhooks arrive."""

import pytest
from pyramid.paster import get_appsettings
from webtest import TestApp

from journal import main
from pyramid_webhooks import stop_delivery
from pyramid_webhooks.testing import Receiver, wait_for_deliveries


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def eve(tmp_path):
    settings = get_appsettings('journal.ini')
    settings['zodbconn.uri'] = f'file://{tmp_path}/Data.fs?connection_pool_size=20'
    app = main({}, **settings)
    eve = TestApp(app)
    eve.authorization = 'Basic', ('eve', 'the editor')
    yield eve
    stop_delivery(app.registry)


def test_a_withdrawn_article_is_told_to_those_who_want_removals(eve, receiver):
    for name in 'removed', 'added':
        wish = {'to': receiver.url_for(name), 'events': [f'article.{name}']}
        eve.post_json('/culture/__webhooks__', wish, status=201)
    eve.post('/culture/write', {'name': 'opera', 'title': 'The opera'})
    eve.post('/culture/withdraw', {'name': 'opera'})
    wait_for_deliveries(eve.app.registry)
    assert sorted(request.path for request in receiver.requests) == ['/added', '/removed']


def test_a_receiver_that_is_slow_does_not_keep_the_editor_waiting(eve, receiver):
    receiver.answer(200, delay=2)
    wish = {'to': receiver.url, 'events': ['article.added']}
    made = eve.post_json('/culture/__webhooks__', wish).json
    eve.post('/culture/write', {'name': 'jazz', 'title': 'Jazz'})
    [attempt] = eve.get(made['attempts_url']).json['attempts']
    assert attempt['status'] == 'pending'
    wait_for_deliveries(eve.app.registry)
    [attempt] = eve.get(made['attempts_url']).json['attempts']
    assert attempt['status'] == 'successful'
