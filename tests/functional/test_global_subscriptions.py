"""Subscriptions that the configuration defines."""

import pytest
from pyramid.exceptions import ConfigurationConflictError, ConfigurationError
from zope.lifecycleevent import ObjectModifiedEvent

from pyramid_webhooks import find_managers, subscribe
from pyramid_webhooks.interfaces import (
    IAttempt,
    IAttemptSucceeded,
    IDeliveryDropped,
    IGlobalManager,
)
from pyramid_webhooks.registries import databases_of
from pyramid_webhooks.resources.secrets import new_secret
from pyramid_webhooks.testing import Receiver
from tests.company import messages, names_of, wait_until


def ini(name, to, **options):
    settings = {
        'webhooks.subscriptions': name,
        f'webhooks.subscription.{name}.to': to,
    }
    for option, value in options.items():
        settings[f'webhooks.subscription.{name}.{option.rstrip("_")}'] = value
    return settings


def attempts(company, id):
    """(status, number) of the attempts of a global subscription."""

    def look(root):
        (manager,) = [each for each in find_managers(root) if IGlobalManager.providedBy(each)]
        located = manager[id].located(manager, root._p_jar)
        return [(each.status, each.number) for each in located.attempts.values()]

    return company.transact(look)


def test_one_of_the_ini_file_needs_no_code(make_company, receiver):
    secret = new_secret()
    settings = ini(
        'audit',
        receiver.url,
        events='employee.added, employee.removed',
        owner='head',
        secret=secret,
        headers='X-One: 1\nX-Two: a: b',
        description='for the auditors',
    )
    company = make_company(settings=settings)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    (request,) = receiver.requests
    assert (request.headers['X-One'], request.headers['X-Two']) == ('1', 'a: b')
    assert 'webhook-signature' in request.headers
    assert attempts(company, 'audit') == [('successful', 1)]


def test_its_owner_is_judged_like_any_other(make_company, receiver):
    company = make_company(settings=ini('audit', receiver.url, events='*', owner='manager'))
    company.add('/NWS/NCA', 'ben')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert names_of(receiver) == ['ann']


def test_without_a_secret_it_is_unsigned_and_startup_says_so(make_company, receiver, caplog):
    company = make_company(settings=ini('audit', receiver.url, events='*'))
    assert 'audit has no secret' in messages(caplog)
    company.add('/NWS/OUN', 'ann')
    (request,) = receiver.wait_for(1)
    assert 'webhook-signature' not in request.headers


def test_for_and_when_of_the_ini_file_are_dotted_names(make_company, receiver):
    settings = ini(
        'audit',
        receiver.url,
        for_='tests.company.IPerson',
        when='zope.lifecycleevent.interfaces.IObjectAddedEvent',
    )
    company = make_company(settings=settings)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 1


def test_what_it_is_owed_and_its_history_survive_a_restart(make_company, receiver):
    settings = {**ini('audit', receiver.url, events='*'), 'webhooks.delivery': 'process'}
    company = make_company(settings=settings)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    company.restart(settings={**company.settings, 'webhooks.delivery': 'worker'})
    company.add('/NWS/OUN', 'ben')
    assert attempts(company, 'audit') == [('successful', 1), ('pending', 1)]
    company.restart(settings={**company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    assert attempts(company, 'audit') == [('successful', 1)] * 2
    assert names_of(receiver) == ['ann', 'ben']


@pytest.mark.parametrize('change', ['to', 'owner', 'gone'])
def test_what_another_one_was_owed_is_dropped_visibly(make_company, receiver, caplog, change):
    with Receiver() as other:
        company = make_company(
            settings={**ini('audit', receiver.url, events='*'), 'webhooks.delivery': 'worker'}
        )
        company.add('/NWS/OUN', 'ann')
        changed = {
            'to': ini('audit', other.url, events='*'),
            'owner': ini('audit', receiver.url, events='*', owner='president'),
            'gone': ini('another', receiver.url, events='*'),
        }[change]
        kept = {k: v for k, v in company.settings.items() if 'webhooks.subscription' not in k}
        dropped = []

        def setup(config):
            config.add_subscriber(dropped.append, IDeliveryDropped)

        caplog.clear()
        company.restart(settings={**kept, **changed, 'webhooks.delivery': 'process'}, setup=setup)
        assert 'audit is not configured any more, or is another one' in messages(caplog)
        wait_until(lambda: 'Dropped 1 deliver' in messages(caplog))
        company.settle()
        assert receiver.requests == other.requests == []
        assert [event.reason for event in dropped] == ['The subscription has been removed.']
        company.add('/NWS/OUN', 'ben')
        company.settle()
        assert len(receiver.requests + other.requests) == 1


def test_one_by_directive_is_known_by_a_digest_of_its_parameters(make_company, receiver):
    def setup(config):
        for _ in range(2):
            config.add_webhook_subscription(receiver.url, events=['employee.added'])
        config.add_webhook_subscription(receiver.url, events=['employee.added'], name='named')

    company = make_company(setup=setup)
    first = list(company.registry.getUtility(IGlobalManager))
    company.restart()
    assert list(company.registry.getUtility(IGlobalManager)) == first
    assert first[0].endswith('-1') and first[1] == first[0][:-1] + '2' and first[2] == 'named'
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 3
    assert [attempts(company, id) for id in first] == [[('successful', 1)]] * 3


def test_two_of_one_name_are_a_conflict(make_company, receiver):
    def setup(config):
        config.add_webhook_subscription(receiver.url, events=['*'], name='audit')

        def again(config):
            config.add_webhook_subscription(receiver.url, events=['employee.*'], name='audit')

        config.include(again)
        config.include(lambda config: again(config))

    company = make_company(setup=setup)
    assert company.registry.getUtility(IGlobalManager)['audit'].events == ('*',)

    def conflict(config):
        config.add_webhook_subscription(receiver.url, events=['*'], name='audit')
        config.add_webhook_subscription(receiver.url, events=['employee.*'], name='audit')

    with pytest.raises(ConfigurationConflictError):
        make_company(setup=conflict)


@pytest.mark.parametrize(
    'options, field',
    [
        ({'events': 'employee.sacked'}, 'events'),
        ({'events': '*', 'for_': 'tests.company.IPerson'}, 'events'),
        ({'for_': 'tests.company.INobody'}, 'for_'),
        ({'when': 'no.such.module'}, 'when'),
        ({'events': '*', 'dialect': 'dutch'}, 'dialect'),
        ({'events': '*', 'permission': 'fly'}, 'permission'),
        ({'events': '*', 'secret': 'whsec_short'}, 'secret'),
        ({'events': '*', 'headers': 'Host: example.com'}, 'headers'),
        ({'events': '*', 'headers': 'Authorization'}, 'headers'),
        ({'events': '*', 'path': 'NWS'}, 'path'),
    ],
)
def test_a_bad_value_is_a_configuration_error_that_names_it(
    make_company, receiver, options, field
):
    with pytest.raises(ConfigurationError) as caught:
        make_company(settings=ini('audit', receiver.url, **options))
    assert field in str(caught.value) and 'audit' in str(caught.value)
    assert 'whsec_short' not in str(caught.value)


@pytest.mark.parametrize(
    'to', ['ftp://example.com/', 'http://user:pw@127.0.0.1:80/', 'http:///x', 'http://10.0.0.1/']
)
def test_a_bad_target_is_a_configuration_error(make_company, to):
    with pytest.raises(ConfigurationError, match='audit.*to'):
        make_company(settings=ini('audit', to, events='*'))


def test_a_target_must_be_https_unless_the_settings_say_otherwise(make_company):
    settings = {'webhooks.allow_http': 'false', 'webhooks.allowed_networks': ''}
    with pytest.raises(ConfigurationError, match='audit.*to.*https'):
        make_company(settings={**settings, **ini('audit', 'http://example.com/', events='*')})
    make_company(settings={**settings, **ini('audit', 'https://example.com/', events='*')})


def test_a_target_is_all_it_needs_and_then_it_is_for_all_object_events(make_company, receiver):
    company = make_company(settings=ini('audit', receiver.url))
    company.add('/NWS/OUN', 'ann')

    def do(context, request):
        request.registry.notify(ObjectModifiedEvent(context['ann']))

    company.request(do, '/NWS/OUN')
    company.settle()
    assert attempts(company, 'audit') == [('successful', 1)] * 2


def test_a_host_that_does_not_exist_is_a_failed_attempt_and_the_transaction_commits(
    make_company,
):
    company = make_company(
        settings={
            **ini('audit', 'http://no-such-host.invalid/', events='*'),
            'webhooks.retry_schedule': '',
        }
    )
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert company.transact(lambda root: 'ann' in root['NWS']['OUN'])

    def look(root):
        (manager,) = find_managers(root)
        (attempt,) = manager['audit'].located(manager, root._p_jar).attempts.values()
        return attempt.status, attempt.message, attempt.response, len(attempt.exceptions)

    status, message, response, exceptions = company.transact(look)
    assert (status, response) == ('failed', None)
    assert 'no-such-host.invalid' in message and exceptions >= 1


def test_one_event_is_sent_to_a_global_and_a_dynamic_one_each_with_its_own_history(
    make_company, receiver
):
    company = make_company(
        settings={
            **ini('audit', receiver.url_for('global'), events='employee.modified'),
            'webhooks.retry_schedule': '',
        }
    )
    receiver.answer(404, path='/global')
    company.add('/NWS/OUN', 'bob')

    def do(context, request):
        return subscribe(context['bob'], receiver.url_for('dynamic')).id

    company.request(do, '/NWS/OUN')
    company.request(
        lambda context, request: request.registry.notify(ObjectModifiedEvent(context['bob'])),
        '/NWS/OUN',
    )
    company.settle()
    assert {request.body for request in receiver.requests} == {b'{"name":"bob","age":30}'}
    assert [each[:3] for each in company.attempts('/NWS/OUN')] == [('successful', 1, '200 OK')]
    assert attempts(company, 'audit') == [('failed', 1)]


def test_the_api_can_deactivate_and_activate_it_and_what_it_is_owed_resumes(
    make_company, receiver
):
    company = make_company(
        settings={
            **ini('audit', receiver.url, events='*'),
            'webhooks.retry_schedule': '300ms 300ms',
        }
    )

    def change(name):
        def do(root):
            manager = company.registry.getUtility(IGlobalManager)
            located = manager['audit'].located(manager, root._p_jar)
            return getattr(manager, name)(located)

        return company.transact(do)

    receiver.answer(status=500, times=1)
    company.add('/NWS/OUN', 'ann')
    wait_until(lambda: ('failed', 1) in attempts(company, 'audit'))
    assert change('deactivate') is True
    assert change('deactivate') is False
    company.add('/NWS/OUN', 'ben')
    company.settle()
    held = wait_until_held(company)
    assert held and attempts(company, 'audit')[-1] == ('pending', 2)
    assert change('activate') is True
    assert change('activate') is False
    wait_until(lambda: attempts(company, 'audit')[-1] == ('successful', 2))
    assert len(receiver.requests) == 2


def wait_until_held(company):
    """Wait until the engine holds what it would send."""

    def held():
        def look(root):
            outbox = root._p_jar.root()['pyramid_webhooks.outbox']
            return any(
                queue.held
                for schedule in outbox.schedules
                for queue in (schedule._queues or {}).values()
            )

        return company.transact(look)

    return wait_until(held)


def test_it_is_read_only(make_company, receiver):
    company = make_company(settings=ini('audit', receiver.url, events='*'))
    manager = company.registry.getUtility(IGlobalManager)
    with pytest.raises(TypeError, match='defined by the configuration'):
        manager.create_subscription(receiver.url)
    with pytest.raises(TypeError, match='defined by the configuration'):
        del manager['audit']
    with pytest.raises(AttributeError):
        manager['audit'].active = False


def test_one_about_attempts_never_gets_its_own(make_company, receiver):
    def setup(config):
        config.add_webhook_event('attempt.succeeded', IAttempt, IAttemptSucceeded)
        config.add_webhook_payload(lambda attempt: {'id': attempt.id}, IAttempt)
        config.add_webhook_subscription(
            receiver.url_for('watch'), events=['attempt.succeeded'], name='watch'
        )
        config.add_webhook_subscription(
            receiver.url_for('audit'), events=['employee.*'], name='audit'
        )

    company = make_company(setup=setup)
    company.subscribe('/', receiver.url_for('tree'))
    company.add('/NWS/OUN', 'ann')
    company.settle()
    company.settle()
    paths = sorted(request.path for request in receiver.requests)
    assert paths == ['/audit', '/tree', '/watch', '/watch']
    database = databases_of(company.registry)['']
    wait_until(lambda: not [each for each in database.connectionDebugInfo() if each['opened']])
