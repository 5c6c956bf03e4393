"""The files that the pages show besides the tutorial's."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from pyramid_webhooks import subscribe
from pyramid_webhooks.interfaces import IApplicability
from pyramid_webhooks.testing import wait_for_deliveries
from tests.docs.sessions import CLONE, EXAMPLES, copy_journal


@pytest.fixture
def extended(extend):
    """The journal with what the pages add to it: parts of its own, and global subscriptions."""
    fragment = (EXAMPLES / 'subscriptions.ini').read_text()
    return extend('payloads', 'dialect', 'finder', text=fragment)


def sent_for(eve, receiver, **wish):
    """What arrives for an article that is written now."""
    wish = {'to': receiver.url_for('/'), 'events': ['article.added'], **wish}
    eve.post_json('/culture/__webhooks__', wish, status=201)
    eve.post('/culture/write', {'name': 'opera', 'title': 'The opera'})
    return receiver.wait_for(1)[0]


def test_a_payload_factory_says_what_is_sent(extended, receiver):
    request = sent_for(extended, receiver)
    assert request.json() == {'title': 'The opera', 'href': '/culture/opera'}


def test_a_dialect_of_the_application_makes_the_body(extended, receiver):
    request = sent_for(extended, receiver, dialect='named')
    assert request.json() == {
        'event': 'article.added',
        'about': {'title': 'The opera', 'href': '/culture/opera'},
    }


def test_the_ini_file_alone_keeps_a_subscription_in_a_folder(extend):
    eve = extend(text=(EXAMPLES / 'kept.ini').read_text())
    (found,) = eve.get('/science/__webhooks__').json['subscriptions']
    assert (found['kind'], found['to']) == ('tree', 'https://science.example.com/hook')


def test_the_ini_file_alone_makes_subscriptions(extended):
    found = extended.get('/__webhooks__').json['subscriptions']
    assert [(each['id'], each['kind'], each['owner']) for each in found] == [
        ('search', 'global', None),
        ('archive', 'global', 'eve'),
    ]
    assert found[0]['events'] == ['article.added', 'article.removed']
    assert found[1]['for'] == 'journal.Article'
    assert found[1]['headers'] == {'Authorization': '…'}


def test_the_receiver_does_once_what_it_is_told_twice(names, tmp_path, monkeypatch):
    wish = {'to': names['receiver'].url, 'events': ['article.*']}
    secret = names['eve'].post_json('/science/__webhooks__', wish).json['secret']
    names['eve'].post('/science/write', {'name': 'moon', 'title': 'The moon'})
    [sent] = names['receiver'].wait_for(1)
    database = str(tmp_path / 'seen.db')
    main = importlib.import_module('receiving').main
    receiving = TestApp(main({}, secret=secret, database=database))
    headers = {name: sent.headers[name] for name in sent.headers if name != 'Host'}
    for _ in range(2):
        receiving.post('/', sent.body, headers=headers, status=204)
    receiving.post('/', sent.body.replace(b'moon', b'mars'), headers=headers, status=401)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute('SELECT title FROM article').fetchall() == [('The moon',)]


def test_the_applications_own_tests_pass(tmp_path):
    copy_journal(tmp_path)
    shutil.copy(EXAMPLES / 'test_journal.py', tmp_path)
    finished = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': f'{CLONE}{os.pathsep}{tmp_path}'},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert '2 passed' in finished.stdout


@pytest.mark.parametrize(('userid', 'told'), [('eve', True), ('sam', False), ('gone', False)])
def test_a_resolver_of_principals_tells_what_owners_may_see(names, userid, told):
    config = Configurator()
    config.include('pyramid_webhooks')
    config.include('principals')
    config.commit()
    journal = importlib.import_module('journal')
    with names['request'].tm:
        subscription = subscribe(names['journal'], names['receiver'].url, owner=userid)
        article = names['journal']['science']['comet'] = journal.Article('A comet!', draft=True)
        judge = config.registry.getUtility(IApplicability)
        assert judge.is_applicable(subscription, article) is told


def test_a_finder_of_the_application_decides_who_is_found(extended, receiver):
    for folder in '', '/culture':
        wish = {'to': receiver.url_for(f'at{folder}'), 'events': ['article.added']}
        extended.post_json(f'{folder}/__webhooks__', wish, status=201)
    extended.post('/culture/write', {'name': 'opera', 'title': 'The opera'})
    wait_for_deliveries(extended.app.registry)
    assert [request.path for request in receiver.requests] == ['/at/culture']


def test_an_adapter_of_the_application_says_who_may_do_what(names):
    config = Configurator(registry=names['app'].registry)
    config.include('grants')
    config.commit()
    sam, eve = names['sam'], names['eve']
    wish = {'to': names['receiver'].url, 'events': ['article.*']}
    url = sam.post_json('/science/__webhooks__', wish).json['url']
    assert sam.get(url).json['owner'] == 'sam'
    sam.delete(url, status=403)
    eve.delete(url, status=204)
