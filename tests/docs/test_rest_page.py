"""The requests of the REST page, made in their order."""

from __future__ import annotations

import json

import pytest

from pyramid_webhooks.testing import wait_for_deliveries
from tests.docs.exchanges import difference, exchanges_of
from tests.docs.sessions import PAGES

EXCHANGES = exchanges_of((PAGES / 'rest.rst').read_text())


@pytest.fixture
def visitors(names):
    """The visitors, and a subscription whose receiver is out of order."""
    eve, sam, receiver = names['eve'], names['sam'], names['receiver']
    opera = {'name': 'opera', 'title': 'The opera'}
    receiver.answer(500)
    wish = {'to': receiver.url, 'events': ['article.removed']}
    broken = sam.post_json('/culture/__webhooks__', wish).json
    eve.post('/culture/write', opera)
    eve.post('/culture/withdraw', {'name': 'opera'})
    eve.post('/culture/write', opera)
    wait_for_deliveries(names['app'].registry)
    return {'eve': eve, 'sam': sam, 'broken': broken['id'], 'app': names['app']}


def test_every_exchange_of_the_page_happens_as_it_is_shown(visitors):
    assert len(EXCHANGES) >= 9
    made, attempt = None, None
    for request, answer in EXCHANGES:
        method, path, _ = request.first.split()
        id = visitors['broken'] if '/culture/' in path else made
        # What the exchange before has caused is over.
        wait_for_deliveries(visitors['app'].registry)
        path = path.replace('{id}', str(id)).replace('{attempt}', str(attempt))
        got = ask(visitors[request.headers['Authorization'].removeprefix('Basic ')], request, path)
        assert f'HTTP/1.1 {got.status}' == answer.first, got.text
        for name, value in answer.headers.items():
            wrong = difference(value, got.headers[name].partition(';')[0], name)
            assert wrong is None, wrong
        if answer.body is not None:
            wrong = difference(answer.body, got.json)
            assert wrong is None, wrong
        if got.status_int == 201 and '/events/' not in path:
            made = got.json['id']
        if got.status_int == 200 and 'attempts' in got.json:
            attempt = got.json['attempts'][0]['id']


def ask(visitor, request, path):
    method = request.first.split()[0]
    body = b'' if request.body is None else json.dumps(request.body).encode()
    headers = {name: request.headers[name] for name in request.headers if name == 'Content-Type'}
    return visitor.request(path, method=method, body=body, headers=headers, expect_errors=True)
