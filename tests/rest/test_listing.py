"""Pages of subscriptions."""

from __future__ import annotations

import pytest
from pyramid.interfaces import ISecurityPolicy

from pyramid_webhooks import manager_of, subscribe
from pyramid_webhooks.resources.message import new_message_id
from pyramid_webhooks.rest import listing
from tests.rest.application import IDocument


def ids(answer):
    return [each['id'] for each in answer['subscriptions']]


def pages(client, path='/docs', user='admin', query=''):
    """All pages: the ids, and how many each page had."""
    found, sizes, after = [], [], ''
    while True:
        answer = client.list(path, user, f'?{query}{after}')
        found += ids(answer)
        sizes.append(len(answer['subscriptions']))
        if answer['next'] is None:
            return found, sizes
        after = f'&after={answer["next"]}'


@pytest.fixture
def seven(client):
    return [client.subscribe(user='adder' if number % 2 else 'other')['id'] for number in range(7)]


def test_pages_follow_each_other_oldest_first_without_gaps(client, seven):
    assert pages(client, query='limit=3') == (sorted(seven), [3, 3, 1])
    assert pages(client, query='limit=7') == (sorted(seven), [7])
    assert pages(client) == (sorted(seven), [7])


def test_who_may_only_add_sees_their_own(client, seven):
    mine = sorted(seven[1::2])
    assert pages(client, user='adder', query='limit=2') == (mine, [2, 1])
    assert ids(client.list(user='adder', query='?owner=adder')) == mine
    assert ids(client.list(user='adder', query='?owner=other')) == []
    client.list(user='stranger', status=403)
    client.list(user=None, status=403)
    assert ids(client.list(user='viewer')) == sorted(seven)


def test_filters_by_owner_and_activity(client, seven):
    client.change(f'/docs/__webhooks__/{seven[2]}', active=False)
    others = sorted(seven[::2])
    assert pages(client, query='owner=other&limit=3') == (others, [3, 1])
    assert ids(client.list(query='?owner=nobody')) == []
    assert ids(client.list(query='?active=false')) == [seven[2]]
    assert ids(client.list(query='?active=true&owner=other')) == sorted({*others} - {seven[2]})


def test_filters_by_what_gets_an_event(client):
    named = client.subscribe(events=['document.added'])['id']
    pattern = client.subscribe(events=['document.*'])['id']
    everything = client.subscribe(events=['*'])['id']
    client.subscribe(events=['folder.added'])
    with client.root() as root:
        typed = subscribe(root['docs'], 'https://example.com/', for_=IDocument).id
    assert ids(client.list(query='?event=document.added')) == [named, pattern, everything, typed]
    assert ids(client.list(query='?event=document.read')) == [pattern, everything, typed]


def test_the_cursor_of_a_removed_subscription_still_marks_a_place(client, seven):
    cursor = client.list(query='?limit=3')['next']
    client.delete(f'/docs/__webhooks__/{cursor}', headers={'X-User': 'admin'}, status=204)
    assert ids(client.list(query=f'?after={cursor}')) == sorted(seven)[3:]
    assert ids(client.list(query=f'?after=sub_{new_message_id()[4:]}')) == []


@pytest.mark.parametrize(
    ('query', 'name'),
    [
        ('after=sub_short', 'after'),
        ('after=', 'after'),
        ('after=sub_%C3%A9', 'after'),
        ('limit=0', 'limit'),
        ('limit=251', 'limit'),
        ('limit=-1', 'limit'),
        ('limit=ten', 'limit'),
        ('limit=%D9%A1', 'limit'),
        ('limit=1&limit=2', 'limit'),
        ('active=maybe', 'active'),
        ('event=document.gone', 'event'),
        ('colour=red', 'colour'),
        ('owner=%FF', 'query'),
    ],
)
def test_bad_queries_are_refused_by_name(client, seven, query, name):
    answer = client.list(query=f'?{query}', status=400)
    assert [(error['location'], error['name']) for error in answer['errors']] == [
        ('querystring', name)
    ]


def test_an_unknown_event_names_the_valid_ones(client):
    answer = client.list(query='?event=document.gone', status=400)
    assert 'document.modified' in answer['errors'][0]['description']


def test_global_subscriptions_are_paged_with_the_others(make_client):
    def add(config):
        for number in range(3):
            config.add_webhook_subscription(
                f'https://example.com/{number}', name=f'fixed-{number}', events='document.added'
            )

    client = make_client(add)
    own = [client.subscribe('/')['id'] for _ in range(2)]
    wanted = ['fixed-0', 'fixed-1', 'fixed-2', *own]
    assert pages(client, '/', query='limit=2') == (wanted, [2, 2, 1])
    assert pages(client, '/', query='limit=1')[0] == wanted
    assert pages(client, '/', query='owner=admin&limit=1') == (own, [1, 1])


def fill(client, count):
    for start in range(0, count, 1000):
        with client.root() as root:
            manager = manager_of(root['docs'], create=True)
            for number in range(start, min(start + 1000, count)):
                manager.create_subscription(
                    'https://example.com/', events=['document.added'], owner=f'user-{number % 500}'
                )


def test_a_page_loads_no_more_of_the_database_than_its_subscriptions(client):
    fill(client, 3000)

    def loaded(query):
        with client.root() as root:
            connection = root._p_jar
            connection.cacheMinimize()
            connection.getTransferCounts(clear=True)
            wish = listing.Wish(limit=50, after=None, owner=None, event=None, active=None)
            wish = wish._replace(**query)
            manager = manager_of(root['docs'])
            found, _ = listing.page_of(manager, wish, client.app.registry, lambda _: True)
            assert len(found) in (6, 50)
            return connection.getTransferCounts()[0]

    assert loaded({}) < 100
    assert loaded({'owner': 'user-499'}) < 60
    middle = client.list(query='?limit=250')['next']
    assert loaded({'after': middle}) < 100


def test_a_filter_that_few_pass_is_answered_in_short_pages(client, monkeypatch):
    monkeypatch.setattr(listing, 'SCAN_LIMIT', 4)
    made = [client.subscribe()['id'] for _ in range(10)]
    client.change(f'/docs/__webhooks__/{made[9]}', active=False)
    assert pages(client, query='active=false') == ([made[9]], [0, 0, 1])


def test_who_asks_is_found_out_as_often_for_many_as_for_one(make_client, monkeypatch):
    client = make_client()
    asked = []
    policy = client.app.registry.getUtility(ISecurityPolicy)

    def authenticated_userid(request):
        asked.append(request.path)
        return policy.identity(request)

    monkeypatch.setattr(policy, 'authenticated_userid', authenticated_userid)
    counts = []
    for _ in range(3):
        client.subscribe(user='other')
        asked.clear()
        client.list(user='viewer')
        counts.append(len(asked))
    assert counts[0] == counts[1] == counts[2]
