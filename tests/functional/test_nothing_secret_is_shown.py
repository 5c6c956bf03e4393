"""An application with secrets of every kind, and none of them in all that can be seen of it."""

import io
import json
import logging

import pytest
import requests
from pyramid.exceptions import ConfigurationError
from pyramid.threadlocal import RequestContext

from pyramid_webhooks import InvalidArgument, explain_event, find_managers, manager_of, new_secret
from pyramid_webhooks.events import SubscriptionActivated
from pyramid_webhooks.interfaces import (
    IAttemptFailed,
    IAttemptSucceeded,
    ISettings,
    ISubscriptionEvent,
)
from pyramid_webhooks.testing.wire import Answer
from tests.company import QUICK, Security, add

SECRET, PRIVATE, ROTATED, CONFIGURED = new_secret(), new_secret('v1a'), new_secret(), new_secret()
KEY = 'Kx7-this-one-encrypts-everything-at-rest'
TOKEN, PASSWORD, API_KEY, COOKIE = 'T0k3n-2b6f81aa', 'pa55-Word', 'k3y-77aa01', 'c00kie-9f'
ODD = 'odd-auth-5150'


class OddAuth(requests.auth.AuthBase):
    """Authenticates with a header whose name tells nothing."""

    def __call__(self, request):
        request.headers['X-Tenant'] = ODD
        return request


class Trusting(Security):
    """A policy that lets the president do everything."""

    def permits_for(self, userid, context, permission):
        return userid == 'president' or super().permits_for(userid, context, permission)


HIDDEN = (
    *(each.partition('_')[2].rstrip('=') for each in (SECRET, PRIVATE, ROTATED, CONFIGURED)),
    KEY,
    TOKEN,
    PASSWORD,
    API_KEY,
    COOKIE,
    ODD,
)
HEADERS = {
    'Authorization': f'Bearer {TOKEN}',
    'X-Password': PASSWORD,
    'X-Api-Key': API_KEY,
    'Cookie': COOKIE,
}


def setup(config):
    config.add_webhook_dialect('odd', {'auth': OddAuth()})
    config.add_webhook_subscription(
        'http://127.0.0.1:9/',
        name='configured',
        events='*',
        secret=CONFIGURED,
        headers={'X-Token': TOKEN},
    )
    for interface in ISubscriptionEvent, IAttemptSucceeded, IAttemptFailed:
        config.add_subscriber(
            lambda event: logging.getLogger('heard').info('%r', event), interface
        )


def echo(request):
    """Answer with everything that was sent, in headers and content, and a cookie of one's own."""
    sent = {*HEADERS, 'X-Tenant'}
    headers = {name: value for name, value in request.headers.items() if name in sent}
    headers = {f'X-Echo-{number}': value for number, value in enumerate(headers.values())}
    body = json.dumps(dict(request.headers.items()))
    return Answer(500, {**headers, 'Set-Cookie': f'a={COOKIE}'}, body)


@pytest.fixture
def log(monkeypatch):
    """Everything that is logged, at the lowest level."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    monkeypatch.setattr(root, 'level', logging.DEBUG)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


@pytest.fixture
def shown(make_company, receiver, log):
    """A company that has done everything, and all that could be seen meanwhile, as texts."""
    receiver.answer(echo)
    company = make_company(
        settings={**QUICK, 'webhooks.secrets_key': KEY}, policy=Trusting(), setup=setup
    )
    rest = {'X-User': 'president'}
    for secret, dialect in ((SECRET, None), (PRIVATE, 'odd')):
        wish = {'to': receiver.url, 'events': ['*'], 'secret': secret, 'headers': HEADERS}
        if dialect is not None:
            wish['dialect'] = dialect
        company.subscribe('/', **wish, owner='president')
    first, second = company.at('/', list)
    company.at('/', lambda manager: manager[first].rotate_secret(60, ROTATED))
    company.add('/NWS/OUN', 'ada')
    company.settle()
    yield company, receiver, log, rest, (first, second)


def texts(company, log, rest, ids):
    """Everything that the application shows."""
    client = company.client
    yield client.get('/__webhooks__', headers=rest).text
    yield client.get('/__webhooks__/events', headers=rest).text
    for id in ids:
        url = f'/__webhooks__/{id}'
        yield client.get(url, headers=rest).text
        listing = client.get(f'{url}/attempts', headers=rest)
        yield listing.text
        for attempt in listing.json['attempts']:
            yield client.get(attempt['url'], headers=rest).text
        changed = client.patch_json(
            url, {'headers': {**HEADERS, 'X-Bad\n': TOKEN}}, headers=rest, status=400
        )
        yield changed.text
        yield client.patch_json(url, {'description': 'x'}, headers=rest).text
        yield client.post_json(
            f'{url}/secret/rotate', {'secret': SECRET + '!'}, headers=rest, status=400
        ).text
    yield repr(company.registry.getUtility(ISettings))
    for utility in company.registry.registeredUtilities():
        if utility.provided.__module__ == 'pyramid_webhooks.interfaces':
            yield repr(utility.component) + repr(vars(type(utility.component)))
    for category in company.registry.introspector.categories():
        for item in company.registry.introspector.get_category(category):
            if category.startswith('webhook'):
                yield repr(item) + repr(dict(item['introspectable']))

    def look(root):
        with RequestContext(blank(company)) as request:
            event = SubscriptionActivated(manager_of(root)[ids[0]])
            yield repr(event) + str(event) + repr(vars(event))
            employee = add(root['NWS'], 'eve', lambda event: None)
            yield repr(explain_event(employee, 'employee.added', request))
            for manager in find_managers(root['NWS']):
                yield repr(manager) + repr(list(manager.items()))
                for subscription in manager.values():
                    yield repr(subscription) + str(subscription) + repr(subscription.wanted)
                    yield repr(subscription.__acl__) + repr(subscription.attempts)
                    for attempt in subscription.attempts.values():
                        yield repr(attempt) + repr(attempt.record)
                        yield repr(attempt.request) + repr(attempt.response)
                        for part in attempt.request, attempt.response:
                            yield repr(part and dict(part.headers.items()))
                        yield repr(attempt.exceptions) + repr(attempt.origin) + attempt.message

    yield from company.transact(lambda root: list(look(root)))
    yield log.getvalue()


def blank(company):
    request = company.app.request_factory.blank('/')
    request.registry = company.registry
    return request


def test_no_secret_is_in_anything_that_the_application_shows(shown):
    company, receiver, log, rest, ids = shown
    arrived = receiver.requests[0]
    assert arrived.headers['Authorization'] == f'Bearer {TOKEN}', 'the receiver gets it'
    assert any(request.headers.get('X-Tenant') == ODD for request in receiver.requests)
    found = list(texts(company, log, rest, ids))
    assert len(found) > 40
    attempts = [text for text in found if '"webhook-signature"' in text and 'X-Echo-0' in text]
    assert attempts, 'what was sent and answered is among it'
    for hidden in HIDDEN:
        for text in found:
            assert hidden not in text, text[max(0, text.index(hidden) - 200) :][:400]


def test_no_secret_is_in_the_history_that_is_stored(shown):
    company, receiver, *_, ids = shown

    def stored(root):
        for id in ids:
            for record in manager_of(root)[id].log:
                yield repr(record)

    found = company.transact(lambda root: list(stored(root)))
    assert len(found) >= 2
    for hidden in HIDDEN:
        assert all(hidden not in text for text in found), hidden


def test_no_signing_secret_and_no_key_is_in_the_database_file(shown):
    company, *_ = shown
    company.stop()
    with open(company.path, 'rb') as file:
        stored = file.read()
    for hidden in HIDDEN[:5]:
        assert hidden.encode() not in stored


@pytest.mark.parametrize(
    'wrong',
    [
        {'secret': SECRET + '!'},
        {'secret': f'{SECRET} {PRIVATE}x'},
        {'headers': {'Authorization': TOKEN + '\n'}},
        {'headers': {'Host': TOKEN}},
        {'owner': 7},
        {'to': f'https://user:{PASSWORD}@example.com/'},
    ],
)
def test_no_secret_is_in_an_error_of_the_configuration(make_company, wrong):
    wish = {'to': 'https://example.com/', 'secret': SECRET, 'headers': HEADERS, **wrong}

    def configure(config):
        to = wish.pop('to')
        config.add_webhook_subscription(to, events='*', **wish)

    with pytest.raises(ConfigurationError) as caught:
        make_company(setup=configure)
    for hidden in HIDDEN:
        assert hidden not in str(caught.value) + repr(caught.value)


def test_the_source_line_of_a_directive_with_a_secret_is_in_no_error(make_company):
    to = 'https://a.example/'

    def configure(config):
        config.add_webhook_subscription(to, events='*', name='a', secret='whsec_0f')

    def configure_twice(config):
        config.add_webhook_subscription(to, events='*', headers={'X-Key': 'literal'}, name='a')
        config.add_webhook_subscription(to, events='*', headers={'X-Key': 'literal'}, name='a')

    def configure_dialects(config):
        config.add_webhook_dialect('b', {'headers': {'X-Key': 'literal'}})
        config.add_webhook_dialect('b', {'headers': {'X-Key': 'literal'}})

    for setup in configure, configure_twice, configure_dialects:
        with pytest.raises(ConfigurationError) as caught:
            make_company(setup=setup)
        text = str(caught.value)
        assert 'test_nothing_secret_is_shown.py' in text
        assert 'whsec_0f' not in text and 'literal' not in text


def test_no_policy_of_the_application_lets_a_password_into_a_url(make_company):
    class Lenient:
        """Allows everything."""

        def check_url(self, url):
            return None

        def check_address(self, address, port, host):
            return None

    company = make_company(setup=lambda config: config.set_webhook_destination_policy(Lenient()))
    with pytest.raises(InvalidArgument, match='^to: has a user name or password') as caught:
        company.subscribe('/', f'https://user:{PASSWORD}@example.com/')
    assert PASSWORD not in str(caught.value)
