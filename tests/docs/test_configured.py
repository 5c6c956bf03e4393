"""The modules that the pages show, included in the tutorial's journal."""

from __future__ import annotations

from pyramid_webhooks.testing import wait_for_deliveries
from tests.company import wait_until
from tests.docs.conftest import visitor

SECRET = 'whsec_bm90LWEtc2VjcmV0LWF0LWFsbC1vbmx5LWEtZXhhbXBsZQ=='


def follow(eve, receiver, *events, **wish):
    """What is created for whoever ``eve`` is, at the root."""
    wish = {'to': receiver.url, 'events': events, **wish}
    return eve.post_json('/__webhooks__', wish, status=201).json


def sam_of(eve):
    return visitor(eve.app, 'sam', 'of science')


def write(eve, title, name='opera'):
    eve.post('/culture/write', {'name': name, 'title': title})


def test_directives_define_a_global_subscription_and_one_in_a_folder(extend):
    eve = extend('configured', text=f'search.secret = {SECRET}')
    (search,) = eve.get('/__webhooks__').json['subscriptions']
    assert (search['id'], search['kind'], search['events']) == ('search', 'global', ['article.*'])
    (science,) = eve.get('/science/__webhooks__').json['subscriptions']
    assert (science['kind'], science['owner']) == ('tree', 'sam')


def test_an_event_without_an_object_sends_its_payload(extend, receiver):
    eve = extend('press')
    follow(eve, receiver, 'press.stopped')
    eve.post('/stop', {'reason': 'paper'})
    (request,) = receiver.wait_for(1)
    assert request.json() == {'reason': 'paper'}
    listed = {each['name']: each for each in eve.get('/__webhooks__/events').json['events']}
    assert listed['press.stopped']['example'] == {'reason': 'paper'}


def test_an_event_is_the_business_of_one_owner(extend, receiver):
    eve = extend('press')
    follow(eve, receiver, 'article.sold', to=receiver.url_for('eve'))
    follow(sam_of(eve), receiver, 'article.sold', to=receiver.url_for('sam'))
    write(eve, 'The opera', name='anonymous')
    write(eve, 'The opera, by sam', name='signed')
    for name in 'anonymous', 'signed':
        eve.post(f'/culture/{name}/sell')
    (request,) = receiver.wait_for(1)
    assert (request.path, request.json()['id']) == ('/sam', 'signed')


def test_the_application_hears_of_what_never_arrived(extend, receiver, caplog):
    eve = extend('telling', text='webhooks.retry_schedule =')
    receiver.answer(500)
    follow(eve, receiver, 'article.added')
    write(eve, 'The opera')
    (request,) = receiver.wait_for(1)
    wait_until(lambda: 'never arrived' in caplog.text)
    assert f'eve: {request.headers["webhook-id"]} never arrived.' in caplog.text


def test_a_simple_dialect_changes_method_headers_and_authentication(extend, receiver):
    eve = extend('intranet', text='intranet.password = pass word')
    follow(eve, receiver, 'article.added', dialect='intranet')
    write(eve, 'The opera')
    (request,) = receiver.wait_for(1)
    assert (request.method, request.headers['X-Company']) == ('PUT', 'NWS')
    assert request.headers['Authorization'].startswith('Basic ')
    assert request.json()['title'] == 'The opera'


def test_what_an_author_subscribed_to_goes_with_the_author(extend, receiver):
    eve = extend('leaving')
    eve.post('/join', {'login': 'sam'})
    mine, hers = follow(sam_of(eve), receiver, '*'), follow(eve, receiver, '*')
    eve.post('/leave', {'login': 'sam'})
    eve.get(mine['url'], status=404)
    assert eve.get(hers['url']).json['active'] is True


def test_a_view_of_the_application_shows_the_history_to_whom_it_may(extend, receiver):
    eve = extend('history')
    sam = sam_of(eve)
    mine, hers = follow(sam, receiver, 'article.added'), follow(eve, receiver, 'article.added')
    write(eve, 'The opera')
    receiver.wait_for(2)
    wait_for_deliveries(eve.app.registry)
    assert sam.get(f'{mine["url"]}/history').json == ['article.added 1: 200 OK']
    sam.get(f'{hers["url"]}/history', status=403)
