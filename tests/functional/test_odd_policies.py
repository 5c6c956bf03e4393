"""Policies and finders that misbehave: their verdicts are lost, and nothing else."""

import itertools

import pytest
import transaction

from pyramid_webhooks import explain_event, manager_of
from tests.company import Security, add, messages


class Odd(Security):
    """Does what it is told when the president is judged."""

    def __init__(self, do):
        super().__init__()
        self.do = do

    def permits_for(self, userid, context, permission):
        if userid == 'president':
            self.do(context)
        return super().permits_for(userid, context, permission)


def fail(context):
    raise RuntimeError('no opinion')


def look_elsewhere(context):
    """Ask the database in a transaction of its own."""
    manager = transaction.TransactionManager()
    connection = context._p_jar.db().open(manager)
    try:
        connection.root()['asked'] = connection.root().get('asked', 0) + 1
        manager.commit()
    finally:
        connection.close()


def end(context):
    manager = context.__parent__._p_jar.transaction_manager
    manager.abort()
    manager.begin()


def hire(company, status=None):
    def do(context, request):
        add(context, 'ann', request.registry.notify)

    return company.request(do, '/NWS', status=status)


@pytest.mark.parametrize('do', [fail, lambda context: context.nothing, lambda context: 1 / 0])
def test_a_policy_that_raises_is_a_no_for_that_owner_alone(make_company, receiver, do):
    company = make_company(policy=Odd(do))
    for owner in ('president', 'head', None):
        company.subscribe('/', receiver.url_for(str(owner)), owner=owner)
    hire(company)
    company.settle()
    assert sorted(request.path for request in receiver.requests) == ['/None', '/head']


def test_a_policy_may_use_a_transaction_of_its_own(make_company, receiver):
    company = make_company(policy=Odd(lambda context: look_elsewhere(context.__parent__)))
    for owner in ('president', 'head'):
        company.subscribe('/', receiver.url_for(owner), owner=owner)
    hire(company)
    company.settle()
    assert sorted(request.path for request in receiver.requests) == ['/head', '/president']
    assert company.transact(lambda root: root._p_jar.root()['asked']) == 1


@pytest.mark.parametrize('manager', ['explicit', 'implicit'])
def test_nothing_is_owed_by_a_transaction_that_a_policy_has_ended(
    make_company, receiver, manager, caplog
):
    company = make_company(policy=Odd(end), manager=manager)
    for owner in ('president', 'head', None):
        company.subscribe('/', receiver.url_for(str(owner)), owner=owner)
    hire(company, status='*')
    company.settle()
    assert receiver.requests == []
    assert company.transact(lambda root: list(root['NWS'])) == ['OUN', 'NCA']
    assert 'while owners were judged, the application ended the transaction' in messages(caplog)


def find_the_first(search):
    """The first that matches, in the closest manager that has any."""
    found = (each for manager in search.managers for each in manager.matching(search.keys))
    yield from itertools.islice(found, 1)


def test_a_finder_that_fails_is_logged_and_the_request_goes_on(make_company, receiver, caplog):
    def setup(config):
        config.set_webhook_finder(lambda search: 1 / 0)

    company = make_company(setup=setup)
    company.subscribe('/', receiver.url)
    hire(company)
    company.settle()
    assert receiver.requests == []
    assert company.transact(lambda root: 'ann' in root['NWS'])
    assert 'The finder of subscriptions failed: the event employee.added' in messages(caplog)


def test_explaining_asks_the_finder_of_the_application(make_company, receiver):
    elsewhere = []

    def find(search):
        yield from find_the_first(search)
        yield from elsewhere

    company = make_company(setup=lambda config: config.set_webhook_finder(find))
    for folder, path in (('/NWS', 'NWS'), ('/', 'root'), ('/NWS/NCA', 'NCA')):
        company.subscribe(folder, receiver.url_for(path))
    company.subscribe('/NWS', receiver.url_for('removals'), events=['employee.removed'])

    def do(context, request):
        employee = add(context, 'ann', request.registry.notify)
        elsewhere[:] = manager_of(context['NCA']).values()
        explained = explain_event(employee, 'employee.added', request)
        return [[each.to.rpartition('/')[2], would, why] for each, would, why in explained]

    explained = company.request(do, '/NWS')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/NWS']
    assert [path for path, would, _ in explained if would] == ['NWS', 'NCA']
    assert {path: why for path, would, why in explained if not would} == {
        'root': "The application's finder of subscriptions leaves it out.",
        'removals': 'It is for other events: employee.removed.',
    }
