"""The demo as ``development.ini`` configures it, through WebTest and a real receiver."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from pyramid.paster import get_app
from pyramid_zodbconn import ZODBConnectionOpened
from standardwebhooks import Webhook
from webtest import TestApp

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.testing import wait_for_deliveries

CONFIGURATION = Path(__file__).parents[2] / 'development.ini'
HOSTED_AT = 'http://127.0.0.1:6543/'


class Visitor(TestApp):
    """A browser before the demo, and what its pages' scripts do."""

    def become(self, userid):
        self.post('/@@become', {'userid': userid})

    def hire(self, office, name, **fields):
        return self.post(f'{office}/@@hire', {'name': name, **fields}, status=303)

    def subscribe(self, folder, to, *events):
        made = self.post_json(f'{folder}/__webhooks__', {'to': to, 'events': list(events)})
        assert made.status_code == 201
        return made.json

    def subscriptions(self, folder):
        return self.get(f'{folder}/__webhooks__').json['subscriptions']

    def wait(self):
        wait_for_deliveries(self.app.registry, timeout=20)


@pytest.fixture
def visitor(tmp_path, receiver):
    text = CONFIGURATION.read_text()
    assert HOSTED_AT + 'receiver' in text
    configuration = tmp_path / 'development.ini'
    configuration.write_text(text.replace(HOSTED_AT + 'receiver', receiver.url + 'receiver'))
    app = get_app(str(configuration))
    yield Visitor(app, extra_environ={'HTTP_ACCEPT': 'text/html,application/json'})
    stop_delivery(app.registry, timeout=10)
    app.registry._zodb_databases[''].close()


def subscribe_all_three(visitor, receiver):
    """Let each of the three people subscribe where they are in charge."""
    for userid, folder in ('pat', ''), ('dana', '/NWS'), ('omar', '/NWS/OUN'):
        visitor.become(userid)
        visitor.subscribe(folder, receiver.url_for(userid), 'employee.*')


def arrived(receiver, *names):
    """The requests that came to the receivers called ``names``."""
    paths = {f'/{name}' for name in names}
    return [request for request in receiver.requests if request.path in paths]


def test_one_new_employee_makes_three_deliveries_of_one_message(visitor, receiver):
    subscribe_all_three(visitor, receiver)
    visitor.hire('/NWS/OUN', 'Zoe Quist', job='Forecaster')
    visitor.wait()
    requests = arrived(receiver, 'pat', 'dana', 'omar')
    assert sorted(request.path for request in requests) == ['/dana', '/omar', '/pat']
    assert len({request.headers['webhook-id'] for request in requests}) == 1
    for request in requests:
        told = request.json()
        assert (told['id'], told['name'], told['job']) == ('zoe-quist', 'Zoe Quist', 'Forecaster')


def test_the_subscription_of_the_ini_file_hears_of_everything_and_signs(visitor, receiver):
    visitor.become('omar')
    visitor.hire('/NWS/OUN', 'Zoe Quist')
    visitor.post('/NWS/OUN/zoe-quist/@@promote')
    visitor.wait()
    secret = visitor.app.registry.settings['demo.receiver.audit']
    requests = arrived(receiver, 'receiver/audit')
    assert [request.json()['grade'] for request in requests] == [1, 2]
    for request in requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        Webhook(secret).verify(request.body, headers)


def test_who_may_not_see_the_employee_is_not_told(visitor, receiver):
    subscribe_all_three(visitor, receiver)
    visitor.become('omar')
    visitor.subscribe('', receiver.url_for('omar-everywhere'), 'employee.added')
    visitor.become('pat')
    visitor.hire('/NWS/FWD', 'Far Away')
    visitor.hire('/NWS/OUN', 'Secret Agent', confidential='on')
    visitor.hire('/NWS/OUN', 'Well Known')
    visitor.wait()
    heard = {
        name: sorted(request.json()['name'] for request in arrived(receiver, name))
        for name in ('pat', 'dana', 'omar', 'omar-everywhere')
    }
    assert heard == {
        'pat': ['Far Away', 'Secret Agent', 'Well Known'],
        'dana': ['Far Away', 'Well Known'],
        'omar': ['Well Known'],
        'omar-everywhere': ['Well Known'],
    }


def test_emptying_two_offices_at_once_reaches_whoever_is_in_charge(visitor, receiver):
    subscribe_all_three(visitor, receiver)
    visitor.become('pat')
    page = visitor.post('/@@let-go', {'office': ['/NWS/OUN', '/NWS/FWD']}).follow()
    assert '3 people were let go.' in page.text
    visitor.wait()
    everybody = ['Ada Moreno', 'Ben Okafor', 'Cleo Varga']
    for name, expected in ('pat', everybody), ('dana', everybody), ('omar', everybody[:2]):
        names = [request.json()['name'] for request in arrived(receiver, name)]
        assert sorted(names) == expected


def test_two_hundred_hired_at_once_are_two_hundred_deliveries(visitor, receiver):
    visitor.become('omar')
    visitor.subscribe('/NWS/OUN', receiver.url_for('omar'), 'employee.added')
    visitor.post('/NWS/OUN/@@hire-many', status=303)
    visitor.wait()
    requests = arrived(receiver, 'omar')
    assert len(requests) == 200
    assert len({request.json()['id'] for request in requests}) == 200
    assert len({request.headers['webhook-id'] for request in requests}) == 200


def test_a_form_that_is_refused_owes_nothing(visitor, receiver):
    visitor.become('pat')
    refused = visitor.post('/NWS/OUN/@@hire', {'name': ' '}, status=400)
    assert 'The field "name" is empty' in refused.html.text
    refused = visitor.post('/NWS/@@add', {'name': 'oun', 'title': 'Again'}, status=400)
    assert 'There is a OUN here already' in refused.html.text
    visitor.post('/NWS/OUN/ada-moreno/@@edit', {'name': 'x' * 101}, status=400)
    visitor.become('omar')
    visitor.post('/SEA/GLS/@@hire', {'name': 'Mine'}, status=403)
    visitor.post('/@@let-go', {'office': ['/NWS/OUN', '/NWS/FWD']}, status=400)
    visitor.wait()
    assert receiver.requests == []


def test_offices_and_departments_make_events_of_their_own(visitor, receiver):
    visitor.become('pat')
    for noun in 'department', 'office', 'employee':
        visitor.subscribe('', receiver.url_for(noun), f'{noun}.*')
    visitor.post('/@@add', {'name': 'sky', 'title': 'Sky'}).follow()
    visitor.post('/SKY/@@add', {'name': 'TUL', 'title': 'Tulsa'}).follow()
    visitor.post('/SKY/TUL/@@rename', {'title': 'Tulsa West'}).follow()
    visitor.hire('/SKY/TUL', 'Zoe Quist')
    visitor.post('/SKY/@@remove').follow()
    visitor.wait()

    def titles(name):
        return [request.json().get('title') for request in arrived(receiver, name)]

    assert titles('department') == ['Sky', 'Sky']
    assert titles('office') == ['Tulsa', 'Tulsa West', 'Tulsa West']
    assert len(titles('employee')) == 2
    visitor.get('/SKY', status=404)


def test_an_address_that_is_no_text_is_refused(visitor):
    for path in '/%ff', '/NWS/%ff', '/receiver/%ff':
        assert 'UTF-8' in visitor.get(path, status=400)


def test_a_failed_attempt_is_shown_to_its_owner_who_retries_it(visitor, receiver):
    visitor.become('omar')
    made = visitor.subscribe('/NWS/OUN', receiver.url_for('omar'), 'employee.added')
    receiver.answer(500, body='not today', path='/omar', times=1)
    visitor.hire('/NWS/OUN', 'Zoe Quist')
    visitor.wait()
    attempts = visitor.get(made['attempts_url']).json['attempts']
    failed = next(attempt for attempt in attempts if attempt['status'] == 'failed')
    assert failed['message'] == '500 Internal Server Error'
    assert failed['response']['content'] == 'not today'
    assert json.loads(failed['request']['body'])['name'] == 'Zoe Quist'
    assert visitor.post(failed['url'] + '/retry').status_code == 202
    visitor.wait()
    first, second = arrived(receiver, 'omar')
    assert first.headers['webhook-id'] == second.headers['webhook-id'] == failed['message_id']


def test_its_owner_pings_recovers_and_sees_figures_by_the_page(visitor, receiver):
    visitor.become('omar')
    made = visitor.subscribe('/NWS/OUN', receiver.url_for('omar'), 'employee.added')
    receiver.answer(500, path='/omar', times=1)
    visitor.hire('/NWS/OUN', 'Zoe Quist')
    visitor.wait()
    answer = visitor.post_json(made['url'] + '/recover', {'since': '2020-01-01T00:00:00Z'})
    assert (answer.status_code, answer.json['count']) == (202, 1)
    assert visitor.post(made['url'] + '/ping').status_code == 202
    visitor.wait()
    assert len(arrived(receiver, 'omar')) == 3
    figures = visitor.get(made['url'] + '/statistics').json
    assert (figures['sent'], figures['failed'], figures['pending']) == (2, 1, 0)
    assert 'class="actions"' in visitor.get(f'/NWS/OUN/@@webhooks/{made["id"]}').text


def test_subscriptions_are_switched_and_removed_by_the_page_buttons(visitor, receiver):
    visitor.become('omar')
    made = visitor.subscribe('/NWS/OUN', receiver.url_for('omar'), 'employee.added')
    assert [item['id'] for item in visitor.subscriptions('/NWS/OUN')] == [made['id']]
    assert visitor.patch_json(made['url'], {'active': False}).json['active'] is False
    visitor.hire('/NWS/OUN', 'Unheard Of')
    assert visitor.patch_json(made['url'], {'active': True}).json['active'] is True
    visitor.hire('/NWS/OUN', 'Zoe Quist')
    visitor.wait()
    assert [request.json()['name'] for request in arrived(receiver, 'omar')] == ['Zoe Quist']
    assert visitor.delete(made['url']).status_code == 204
    assert visitor.subscriptions('/NWS/OUN') == []


@pytest.mark.parametrize('userid', ['', 'pat', 'dana', 'omar'])
def test_every_page_opens_for_whoever_may_see_it(visitor, userid):
    visitor.become(userid)
    for path in '/', '/NWS', '/NWS/OUN', '/NWS/FWD', '/NWS/OUN/@@webhooks/x', '/@@receivers':
        page = visitor.get(path)
        assert page.html.select_one('.people [aria-pressed]')['value'] == userid
    status = 200 if userid else 403
    assert visitor.get('/NWS/OUN/ada-moreno', status=status).html.h1 is not None


def test_people_see_the_employees_they_are_in_charge_of(visitor):
    seen = {}
    for userid in '', 'pat', 'dana', 'omar':
        visitor.become(userid)
        page = visitor.get('/')
        cells = page.html.select('form.card tbody tr td:last-child')
        seen[userid] = [int(cell.text) for cell in cells]
    assert seen == {'': [0, 0, 0], 'pat': [1, 2, 1], 'dana': [1, 2, 0], 'omar': [0, 2, 0]}


def test_nobody_else_can_be_chosen_and_no_other_site_returned_to(visitor):
    visitor.post('/@@become', {'userid': 'mallory'}, status=400)
    answer = visitor.post('/@@become', {'userid': 'pat', 'page': '//elsewhere.example/'})
    assert answer.location == 'http://localhost/'


def test_receivers_take_no_part_in_the_transactions_of_the_company(visitor):
    opened = []
    visitor.app.registry.registerHandler(opened.append, (ZODBConnectionOpened,))
    visitor.get('/')
    assert len(opened) == 1
    posted = visitor.post('/receiver/pat', '{"a": 1}', headers={'webhook-id': 'msg_1'})
    assert 'tm.active' not in posted.request.environ
    [arrival] = visitor.get('/receiver/').json['arrivals']
    visitor.post_json('/receiver/pat/answer', {'status': 503})
    visitor.post('/receiver/pat', '{"a": 1}', status=503)
    visitor.get('/receiver/pat', status=404)
    visitor.post_json('/receiver/pat/answer', {'status': 299}, status=400)
    visitor.post('/receiver/pat/secret', 'no json', status=400)
    visitor.get('/receiver/?after=x', status=400)
    assert (arrival['receiver'], arrival['id'], arrival['body']) == ('pat', 'msg_1', '{"a": 1}')
    assert len(opened) == 1


def test_receivers_keep_the_last_two_hundred_arrivals(visitor):
    for number in range(203):
        visitor.post('/receiver/pat', str(number))
    arrivals = visitor.get('/receiver/').json['arrivals']
    assert [arrival['body'] for arrival in arrivals] == [str(n) for n in range(3, 203)]
    newest = visitor.get('/receiver/', {'after': arrivals[-2]['number']}).json['arrivals']
    assert newest == arrivals[-1:]


def test_receivers_check_signatures_with_the_secrets_they_were_given(visitor):
    secret, other = 'whsec_' + 'QUJD' * 12, 'whsec_' + 'REVG' * 12
    body, now = '{"a": 1}', datetime.datetime.now(datetime.UTC)

    def judged(key, at, sent=body):
        headers = {
            'webhook-id': 'msg_1',
            'webhook-timestamp': str(int(at.timestamp())),
            'webhook-signature': Webhook(key).sign('msg_1', at, body),
        }
        visitor.post('/receiver/pat', sent, headers=headers)
        return visitor.get('/receiver/').json['arrivals'][-1]['signature']

    assert judged(secret, now) == 'unchecked'
    visitor.post_json('/receiver/pat/secret', {'secret': secret})
    assert judged(secret, now) == 'valid'
    assert judged(secret, now, sent='{"a": 2}') == 'wrong'
    assert judged(secret, now - datetime.timedelta(minutes=6)) == 'wrong'
    assert judged(other, now) == 'wrong'
    visitor.post_json('/receiver/pat/secret', {'secret': other})
    assert judged(other, now) == judged(secret, now) == 'valid'
    visitor.post('/receiver/pat', body)
    assert visitor.get('/receiver/').json['arrivals'][-1]['signature'] == 'unsigned'


def test_no_page_shows_a_secret(visitor, receiver):
    visitor.become('pat')
    token = 'Bearer 2b6f-not-to-be-seen'
    wish = {'to': receiver.url_for('pat'), 'events': ['*'], 'headers': {'Authorization': token}}
    made = visitor.post_json('/__webhooks__', wish).json
    visitor.hire('/NWS/OUN', 'Zoe Quist')
    visitor.wait()
    new = visitor.post_json(f'{made["url"]}/secret/rotate', {'overlap': 60}).json['secret']
    audit = visitor.app.registry.settings['demo.receiver.audit']
    attempts = visitor.get(made['attempts_url']).json['attempts']
    assert attempts[0]['request']['headers']['Authorization'] == '…'
    pages = ['/', '/NWS', '/NWS/OUN', '/NWS/OUN/zoe-quist', '/__webhooks__', made['path']]
    pages += ['/@@receivers', made['attempts_url'], attempts[0]['url'], '/__webhooks__/audit']
    texts = [visitor.get(page, expect_errors=True).text for page in pages]
    assert any('<html' in text for text in texts)
    for hidden in made['secret'], new, audit, token, token.partition(' ')[2]:
        assert not any(hidden in text for text in texts)
