"""The services of a folder's subscriptions, as clients with different permissions see them."""

from __future__ import annotations

import datetime

import pytest

from pyramid_webhooks import manager_of
from pyramid_webhooks.resources.secrets import new_secret

KEYS = set(
    'id url path kind to events for when owner permission dialect active status_message headers '
    'description created modified attempts_url'.split()
)


def errors(answer):
    assert answer['status'] == 'error'
    return {(error['location'], error['name']): error['description'] for error in answer['errors']}


def test_a_folder_without_a_manager_answers_an_empty_list_and_stays_without_one(client):
    assert client.list('/docs') == {'subscriptions': [], 'next': None}
    assert client.list('/') == {'subscriptions': [], 'next': None}
    with client.root() as root:
        assert manager_of(root['docs']) is None


def test_a_created_subscription_is_shown_with_its_secret_only_once(client):
    answer = client.post_json(
        '/docs/__webhooks__',
        {'to': 'https://example.com/hook', 'events': ['document.*'], 'description': 'mine'},
        headers={'X-User': 'adder'},
        status=201,
    )
    made = answer.json
    assert set(made) == KEYS | {'secret'}
    assert made.pop('secret').startswith('whsec_')
    assert answer.headers['Location'] == made['url']
    assert made['url'] == f'http://localhost/docs/__webhooks__/{made["id"]}'
    assert made['attempts_url'] == made['url'] + '/attempts'
    assert made['path'] == f'/docs/__webhooks__/{made["id"]}'
    assert (made['kind'], made['owner'], made['active']) == ('dynamic', 'adder', True)
    assert (made['events'], made['for'], made['when']) == (['document.*'], None, None)
    created = datetime.datetime.fromisoformat(made['created'])
    assert created.utcoffset() == datetime.timedelta(0)
    assert client.read(made['url'], 'adder') == made
    assert client.list('/docs')['subscriptions'] == [made]


def test_a_subscription_is_stored_with_the_secret_that_its_maker_brings(client):
    secret = new_secret()
    made = client.subscribe(secret=secret)
    assert made['secret'] == secret
    with client.root() as root:
        assert manager_of(root['docs'])[made['id']].secrets == (secret,)


def test_a_bad_secret_is_refused_without_being_shown(client):
    answer = client.subscribe(secret='whsec_tooshort', status=400)
    assert 'tooshort' not in str(answer)
    assert ('body', 'secret') in errors(answer)


@pytest.mark.parametrize(
    ('fields', 'name', 'said'),
    [
        ({'to': 'http://169.254.169.254/'}, 'to', '169.254.169.254'),
        ({'to': 'https://user:pass@example.com/'}, 'to', 'password'),
        ({'to': 'https://exa mple.com/'}, 'to', ''),
        ({'to': 'https:///path'}, 'to', 'host'),
        ({'to': 5}, 'to', 'a text'),
        ({'to': None}, 'to', 'required'),
        ({'events': ['document.gone']}, 'events', 'document.added'),
        ({'events': []}, 'events', 'at least one'),
        ({'events': 'document.added'}, 'events', 'a list'),
        ({'events': [['document.added']]}, 'events', 'a list of texts'),
        ({'dialect': 'klingon'}, 'dialect', 'klingon'),
        ({'permission': 'no-such'}, 'permission', 'no-such'),
        ({'headers': {'X-Bad': 'a\nb'}}, 'headers', 'X-Bad'),
        ({'headers': ['X']}, 'headers', 'object'),
        ({'headers': {'X': 1}}, 'headers', 'text'),
        ({'description': {}}, 'description', 'a text'),
        ({'owner': '\ud800'}, 'owner', 'Unicode'),
        ({'for': 'tests.Document'}, 'for', 'output only'),
        ({'when': 'x'}, 'when', 'output only'),
        ({'id': 'mine'}, 'id', 'output only'),
        ({'colour': 'red'}, 'colour', 'does not exist'),
    ],
)
def test_bad_fields_are_named_and_nothing_is_left_behind(client, fields, name, said):
    found = errors(client.subscribe(status=400, **fields))
    assert said in found['body', name]
    with client.root() as root:
        assert manager_of(root['docs']) is None


def test_every_bad_field_of_a_body_is_named(client):
    answer = client.post_json(
        '/docs/__webhooks__', {'headers': 1}, headers={'X-User': 'admin'}, status=400
    )
    assert set(errors(answer.json)) == {('body', 'to'), ('body', 'events'), ('body', 'headers')}


def test_a_refused_subscription_keeps_the_manager_that_was_there(client):
    made = client.subscribe()
    client.subscribe(to='ftp://example.com', status=400)
    assert [each['id'] for each in client.list()['subscriptions']] == [made['id']]


def test_a_folder_that_would_lose_its_manager_says_so(client):
    answer = client.subscribe('/shelf', status=409)
    assert 'IWebhookFolder' in errors(answer)['path', 'path']


def test_only_who_may_add_and_is_known_subscribes(client):
    client.subscribe(user=None, status=403)
    client.subscribe(user='viewer', status=403)
    client.subscribe(user='stranger', status=403)
    client.subscribe(user='adder', status=201)


def test_a_refusal_for_want_of_a_permission_is_json_that_names_it(client):
    answer = client.subscribe(user='viewer', status=403)
    assert 'webhooks.add' in str(errors(answer))


def test_who_is_not_logged_in_can_not_subscribe_even_where_everyone_may_add(make_client):
    client = make_client(policy=Lenient())
    client.subscribe(user=None, status=403)
    assert client.list(user=None) == {'subscriptions': [], 'next': None}


class Lenient:
    """Lets everyone add."""

    def identity(self, request):
        return request.headers.get('X-User')

    authenticated_userid = identity

    def permits(self, request, context, permission):
        return permission == 'webhooks.add'

    def permits_for(self, userid, context, permission):
        return True


def test_only_an_admin_names_another_owner_or_permission(client):
    client.subscribe(user='adder', owner='other', status=403)
    client.subscribe(user='adder', permission='webhooks.view', status=403)
    assert client.subscribe(user='adder', owner='adder', permission='view')['owner'] == 'adder'
    made = client.subscribe(user='admin', owner='other', permission='webhooks.view')
    assert (made['owner'], made['permission']) == ('other', 'webhooks.view')


def test_the_owner_reads_changes_and_removes_without_any_permission(client):
    made = client.subscribe(user='admin', owner='stranger')
    assert client.read(made['url'], 'stranger')['id'] == made['id']
    changed = client.change(made['url'], 'stranger', description='yes', active=False)
    assert (changed['description'], changed['active']) == ('yes', False)
    client.delete(made['url'], headers={'X-User': 'stranger'}, status=204)
    client.read(made['url'], 'stranger', status=404)


def test_a_hidden_subscription_answers_exactly_as_an_unknown_one(client):
    made = client.subscribe(user='adder')
    unknown = made['url'][:-3] + '000'
    for method in 'GET', 'PATCH', 'DELETE', 'PUT', 'POST':
        for tail in '', '/attempts', '/attempts/msg_1-1', '/attempts/msg_1-1/retry':
            answers = []
            for url in made['url'], unknown:
                request = {'method': method, 'headers': {'X-User': 'other'}}
                if method in ('PATCH', 'POST'):
                    request['body'] = b'{}'
                    request['headers'] = {**request['headers'], 'Content-Type': 'application/json'}
                answer = client.request(url + tail, status='*', **request)
                answers.append(
                    (answer.status, answer.body.replace(b'000', made['id'][-3:].encode()))
                )
            assert answers[0] == answers[1]
            assert answers[0][0][:3] in ('404', '405')


def test_who_may_view_but_not_edit_changes_nothing(client):
    made = client.subscribe(user='adder')
    client.change(made['url'], 'viewer', description='no', status=403)
    client.delete(made['url'], headers={'X-User': 'viewer'}, status=403)
    client.change(made['url'], 'editor', description='yes')
    client.delete(made['url'], headers={'X-User': 'editor'}, status=403)
    assert client.read(made['url'], 'viewer')['description'] == 'yes'


def test_what_can_be_changed_is_changed(client):
    made = client.subscribe()
    changed = client.change(
        made['url'],
        to='https://example.org/other',
        events=['document.modified'],
        headers={'X-Team': 'docs'},
        description='new',
        active=False,
        dialect='',
    )
    same = {key: changed[key] for key in ('id', 'url', 'owner', 'created', 'kind')}
    assert same == {key: made[key] for key in same}
    assert changed['to'] == 'https://example.org/other'
    assert changed['events'] == ['document.modified']
    assert changed['headers'] == {'X-Team': 'docs'}
    assert (changed['description'], changed['dialect']) == ('new', '')
    assert (changed['active'], changed['status_message']) == (False, 'Deactivated by hand.')
    assert changed['modified'] > made['modified']
    assert client.change(made['url'], active=True, dialect=None)['active'] is True
    assert client.read(made['url'])['dialect'] is None


def test_an_empty_change_changes_nothing(client):
    made = client.subscribe()
    made.pop('secret')
    assert client.change(made['url']) == made
    assert client.patch(made['url'], headers={'X-User': 'admin'}).json == made


@pytest.mark.parametrize(
    ('fields', 'name'),
    [
        ({'to': None}, 'to'),
        ({'to': 'gopher://x'}, 'to'),
        ({'events': None}, 'events'),
        ({'events': ['nothing.here']}, 'events'),
        ({'active': 'yes'}, 'active'),
        ({'active': None}, 'active'),
        ({'owner': 'other'}, 'owner'),
        ({'permission': 'view'}, 'permission'),
        ({'secret': 'whsec_x'}, 'secret'),
        ({'kind': 'global'}, 'kind'),
        ({'nonsense': 1}, 'nonsense'),
        ({'headers': {'Authorization': '…'}}, 'headers'),
    ],
)
def test_a_bad_change_is_refused_as_a_whole(client, fields, name):
    made = client.subscribe()
    made.pop('secret')
    answer = client.change(made['url'], **{'description': 'changed', **fields}, status=400)
    assert ('body', name) in errors(answer)
    assert client.read(made['url']) == made


def test_a_secret_header_sent_back_as_it_was_shown_stays_what_it_is(client):
    made = client.subscribe(headers={'Authorization': 'Bearer a', 'X-Team': 'c'})
    changed = {**made['headers'], 'X-Team': 'd'}
    assert changed == {'Authorization': '…', 'X-Team': 'd'}
    assert client.change(made['url'], headers=changed)['headers'] == changed
    with client.root() as root:
        kept = manager_of(root['docs'])[made['id']].headers
        assert kept == {'Authorization': 'Bearer a', 'X-Team': 'd'}
    answer = client.change(made['url'], headers={'X-New-Key': '…'}, status=400)
    assert ('body', 'headers') in errors(answer)


def test_secret_headers_are_not_shown(client):
    made = client.subscribe(headers={'Authorization': 'Bearer a', 'X-Api-Key': 'b', 'X-Team': 'c'})
    assert made['headers'] == {'Authorization': '…', 'X-Api-Key': '…', 'X-Team': 'c'}
    with client.root() as root:
        kept = manager_of(root['docs'])[made['id']].headers
        assert kept['Authorization'] == 'Bearer a'


def add_global(config):
    config.add_webhook_subscription(
        'https://example.com/global', name='audit', events='document.*', owner='viewer'
    )
    config.add_webhook_subscription(
        'https://example.com/second', name='second', for_='tests.rest.application.IDocument'
    )


def test_global_subscriptions_are_listed_at_the_root_folder_first(make_client):
    client = make_client(add_global)
    own = client.subscribe('/')
    listed = client.list('/')['subscriptions']
    assert [each['id'] for each in listed] == ['audit', 'second', own['id']]
    assert [each['kind'] for each in listed] == ['global', 'global', 'dynamic']
    assert listed[1]['for'] == 'tests.rest.application.IDocument'
    assert listed[0]['url'] == 'http://localhost/__webhooks__/audit'
    assert client.read(listed[0]['url']) == listed[0]
    assert client.list('/docs')['subscriptions'] == []
    client.read('/docs/__webhooks__/audit', status=404)


def test_global_subscriptions_can_not_be_changed(make_client):
    client = make_client(add_global)
    answer = client.change('/__webhooks__/audit', description='x', status=409)
    assert 'configuration' in errors(answer)['path', 'id']
    client.delete('/__webhooks__/audit', headers={'X-User': 'admin'}, status=409)
    assert client.read('/__webhooks__/audit/attempts') == {'attempts': [], 'next': None}


def test_unknown_places_are_not_found(client):
    for path in '/nowhere', '/docs/leaf', '/docs/__webhooks__/x', '/docs/__webhooks__':
        answer = client.list(path, status=404)
        assert ('path', 'path') in errors(answer)


def test_a_slash_at_the_end_makes_no_difference(client):
    made = client.subscribe()
    made.pop('secret')
    assert client.read(made['url'] + '/') == made
    assert client.get('/docs/__webhooks__/', headers={'X-User': 'admin'}).json['next'] is None


def test_methods_that_do_not_exist_are_refused(client):
    made = client.subscribe()
    answer = client.put_json(made['url'], {}, headers={'X-User': 'admin'}, status=405)
    assert set(answer.headers['Allow'].split(', ')) == {'GET', 'HEAD', 'PATCH', 'DELETE'}
    client.head(made['url'], headers={'X-User': 'admin'}, status=200)
