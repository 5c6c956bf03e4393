"""A tree that spans two databases."""

import datetime

import pytest
from pyramid_zodbconn import get_connection

from pyramid_webhooks.interfaces import IOwedDeliveries
from pyramid_webhooks.outbox.root import outbox_of
from pyramid_webhooks.registries import databases_of
from tests.company import Folder, add, names_of, remove, wait_until

EPOCH = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def company(make_company, tmp_path):
    """A company whose office /NWS/FAR is kept in another database."""
    company = make_company(
        settings={
            'zodbconn.uri.far': f'file://{tmp_path}/Far.fs?connection_pool_size=40'
            f'&database_name=far'
        }
    )

    def mount(context, request):
        office = get_connection(request, 'far').root()['office'] = Folder(['other_manager'])
        get_connection(request, 'far').add(office)
        context['NWS']['FAR'] = office

    company.request(mount)
    return company


def test_an_event_there_reaches_the_subscriptions_here_and_there(company, receiver):
    company.subscribe('/', receiver.url_for('president'), owner='president')
    company.subscribe('/NWS/FAR', receiver.url_for('far'), owner='other_manager')
    company.add('/NWS/FAR', 'ann')
    company.settle()
    assert sorted(request.path for request in receiver.requests) == ['/far', '/president']
    assert len({request.headers['webhook-id'] for request in receiver.requests}) == 1
    for path in ('/', '/NWS/FAR'):
        assert [each[0] for each in company.attempts(path)] == ['successful']


def test_an_aborted_transaction_owes_nothing_in_either(company, receiver):
    company.subscribe('/', receiver.url)

    def do(context, request):
        add(context['FAR'], 'ann', request.registry.notify)
        add(context['OUN'], 'ben', request.registry.notify)
        request.tm.doom()

    company.request(do, '/NWS')
    company.add('/NWS/FAR', 'cid')
    company.settle()
    assert names_of(receiver) == ['cid']


def test_events_of_both_in_one_transaction_are_all_delivered(company, receiver):
    company.subscribe('/', receiver.url)

    def do(context, request):
        add(context['FAR'], 'ann', request.registry.notify)
        add(context['OUN'], 'ben', request.registry.notify)

    company.request(do, '/NWS')
    company.request(
        lambda context, request: remove(context, 'ann', request.registry.notify) and 0, '/NWS/FAR'
    )
    company.settle()
    names = sorted(names_of(receiver))
    assert names == ['ann', 'ann', 'ben']


def test_retries_and_what_is_held_work_there_too(company, receiver):
    receiver.answer(status=500, times=1)
    id = company.subscribe('/NWS/FAR', receiver.url)
    company.add('/NWS/FAR', 'ann')
    receiver.wait_for(2)
    company.settle()
    assert [each[:2] for each in company.attempts('/NWS/FAR')] == [
        ('failed', 1),
        ('successful', 2),
    ]
    company.at('/NWS/FAR', lambda m: m.deactivate(m[id]))
    company.at('/NWS/FAR', lambda m: m.activate(m[id]))
    company.add('/NWS/FAR', 'ben')
    company.settle()
    assert len(receiver.requests) == 3


def test_what_is_owed_there_to_a_deactivated_subscription_here_resumes(company, receiver):
    id = company.subscribe('/', receiver.url)
    receiver.answer(delay=0.2)
    company.add('/NWS/FAR', *'abcdefgh')
    receiver.wait_for(1)
    company.at('/', lambda m: m.deactivate(m[id]))
    company.settle()
    assert len(receiver.requests) < 8
    receiver.answer()
    company.at('/', lambda m: m.activate(m[id]))
    company.settle()
    assert sorted(names_of(receiver)) == list('abcdefgh')


def test_what_is_held_there_for_a_subscription_here_goes_with_it(company, receiver):
    id = company.subscribe('/', receiver.url)
    receiver.answer(status=500)
    company.add('/NWS/FAR', 'ann')
    receiver.wait_for(1)
    company.at('/', lambda m: m.deactivate(m[id]))
    company.settle()

    def held(root):
        schedules = outbox_of(root._p_jar.get_connection('far')).schedules
        return any(schedule._queues for schedule in schedules)

    assert company.transact(held)
    company.at('/', lambda m: m.__delitem__(id))
    wait_until(lambda: not company.transact(held))


def test_a_message_from_there_can_be_sent_again(company, receiver):
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/FAR', 'ann')
    company.settle()

    def resend(manager):
        [attempt] = manager[id].attempts.values()
        company.registry.getUtility(IOwedDeliveries).resend(attempt)

    company.at('/', resend)
    company.settle()
    assert names_of(receiver) == ['ann', 'ann']
    assert [each[:2] for each in company.attempts('/')] == [('successful', 1), ('successful', 2)]


def test_sending_a_message_from_there_again_brings_its_retry_forward(company, receiver):
    company.restart(settings={**company.settings, 'webhooks.retry_schedule': '1h'})
    receiver.answer(status=500, times=1)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/FAR', 'ann')
    company.settle()

    def resend(manager):
        attempt = next(iter(manager[id].attempts.values()))
        company.registry.getUtility(IOwedDeliveries).resend(attempt)

    company.at('/', resend)
    company.settle()
    assert [each[:2] for each in company.attempts('/')] == [('failed', 1), ('successful', 2)]
    assert len(receiver.requests) == 2


def test_what_another_database_has_packed_away_is_left_out_and_harms_nothing(company, receiver):
    """A database that is packed does not know what others refer to."""
    receiver.answer(500)
    company.subscribe('/', receiver.url)
    company.add('/NWS/FAR', 'ann', 'ben')
    company.add('/NWS/OUN', 'cid')
    wait_until(lambda: company.at('/', lambda m: len(list(one(m).log.exhausted)) == 3))
    company.settle()
    databases_of(company.registry)['far'].pack()
    for database in databases_of(company.registry).values():
        database.cacheMinimize()
    attempts = company.attempts('/')
    assert {each[0] for each in attempts} == {'failed'}
    assert len({each[4] for each in attempts}) == 1
    receiver.answer(200)
    recovery = company.at('/', lambda m: tuple(one(m).recover(EPOCH)))
    assert recovery[0] == 1 and recovery[1] == 2
    company.settle()
    assert [request.json()['name'] for request in receiver.requests[-1:]] == ['cid']


def one(manager):
    (subscription,) = manager.values()
    return subscription
