"""What can go wrong when the tree is brought in line with the configuration."""

import logging
import threading

import pytest
import transaction
from BTrees.OOBTree import OOBTree
from pyramid.config import Configurator
from pyramid.threadlocal import get_current_request

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.interfaces import ISubscriptionCreated, ISubscriptionDeactivated
from pyramid_webhooks.registries import databases_of
from pyramid_webhooks.resources.keeping import bring_tree_in_line
from pyramid_webhooks.resources.upkeep import CHANGED, GONE
from tests.company import messages, root_factory
from tests.functional.keeping import TO, WORKER, active, change, indexed, ini, kept


class Names(OOBTree):
    """A folder that would not store the attribute."""


def test_a_missing_path_is_an_error_in_the_log_that_stops_nothing(make_company, caplog):
    def setup(config):
        config.add_webhook_subscription(TO, name='person', events=['*'], path='/NWS/OUN/ann')

    company = make_company(settings=WORKER)
    company.add('/NWS/OUN', 'ann')
    company.setup = setup
    change(
        company,
        lost={'path': '/NWS/XYZ'},
        inside={'path': '/NWS/__webhooks__'},
        found={'path': '/NWS'},
    )
    lines = messages(caplog, logging.ERROR).splitlines()
    assert [line.partition('wants it: ')[2] for line in lines] == [
        'lost: There is nothing at /NWS/XYZ. Make a folder there, or configure another path.',
        'inside: The SubscriptionManager at /NWS/__webhooks__ is no folder. Configure the path of '
        'a folder.',
        'person: The Employee at /NWS/OUN/ann is no folder. Configure the path of a folder.',
    ]
    assert active(company) == [TO + 'found']
    assert indexed(company) == ['found']
    company.add('/NWS/OUN', 'ben')


def test_a_handler_that_fails_undoes_one_and_stops_no_other(make_company, caplog):
    def setup(config):
        def fail(event):
            if event.object.to.endswith('b'):
                raise LookupError('no such thing')

        config.add_subscriber(fail, ISubscriptionCreated)
        config.add_subscriber(fail, ISubscriptionDeactivated)

    three = {'a': {'path': '/'}, 'b': {'path': '/NWS'}, 'c': {'path': '/'}}
    company = make_company(settings={**WORKER, **ini(**three)}, setup=setup)
    assert active(company, '/') == [TO + 'a', TO + 'c']
    assert kept(company) == []
    assert 'b: LookupError: no such thing' in messages(caplog, logging.ERROR)
    company.restart(setup=None)
    assert active(company) == [TO + 'b']
    company.setup = setup
    change(company)
    assert active(company, '/') == [] and active(company) == [TO + 'b']
    assert indexed(company) == ['b']
    company.restart(setup=None)
    assert active(company) == []


def test_a_root_factory_that_fails_is_logged_and_stops_neither_the_start_nor_removals(
    make_company, caplog, monkeypatch
):
    company = make_company(settings={**WORKER, **ini(old={'path': '/NWS'})})

    def picky(request):
        root_factory(request).viewers = ('nobody',)
        return request.matchdict['company']

    monkeypatch.setattr('tests.company.root_factory', picky)
    change(company, new={'path': '/NWS'}, newer={'path': '/'})
    assert 'new, newer: TypeError' in messages(caplog, logging.ERROR)
    assert kept(company) == [(TO + 'old', False, GONE)]
    assert company.transact(lambda root: root.viewers) == ('president',)


def test_what_is_not_of_the_requests_connection_is_refused(make_company, caplog, monkeypatch):
    company = make_company(settings=WORKER)
    opened = []

    def elsewhere(request):
        database = databases_of(request.registry)['']
        opened.append(database.open(transaction.TransactionManager()))
        return opened[-1].root()['company']

    monkeypatch.setattr('tests.company.root_factory', elsewhere)
    change(company, audit={'path': '/NWS'})
    assert 'audit: What is at /NWS is not stored in' in messages(caplog, logging.ERROR)
    assert kept(company) == []
    for connection in opened:
        connection.transaction_manager.abort()
        connection.close()


def test_a_folder_that_can_not_hold_any_does_not_keep_the_old_one_alive(make_company, caplog):
    company = make_company(settings={**WORKER, **ini(audit={'path': '/NWS'})})
    company.transact(lambda root: root.__setitem__('names', Names()))
    change(company, audit={'path': '/names'})
    assert kept(company) == [(TO + 'audit', False, CHANGED)]
    assert 'audit: /names: Names objects can not hold' in messages(caplog, logging.ERROR)
    assert indexed(company) == []


def test_without_a_database_it_is_logged(caplog):
    config = Configurator(
        settings={**WORKER, **ini(audit={'path': '/', 'to': 'https://a.example/'})}
    )
    config.include('pyramid_webhooks')
    app = config.make_wsgi_app()
    assert 'audit: there is no database' in messages(caplog, logging.ERROR)
    stop_delivery(app.registry)


@pytest.mark.parametrize('manager', ['explicit', 'implicit'])
def test_the_transaction_of_whoever_starts_the_application_is_left_alone(make_company, manager):
    seen = []

    def setup(config):
        config.add_subscriber(
            lambda event: seen.append(get_current_request()), ISubscriptionCreated
        )

    transaction.begin().note('mine')
    try:
        company = make_company(
            settings={**WORKER, **ini(audit={'path': '/NWS'})}, setup=setup, manager=manager
        )
        assert transaction.get().description == 'mine'
    finally:
        transaction.abort()
    assert active(company) == [TO + 'audit']
    assert seen[0].tm is not transaction.manager
    assert get_current_request() is None


def test_a_conflict_with_another_start_is_tried_again(make_company, caplog):
    tries = []

    def setup(config):
        def compete(event):
            tries.append(event)
            if len(tries) == 1:
                other = threading.Thread(target=bring_tree_in_line, args=(config.registry,))
                other.start()
                other.join(20)

        config.add_subscriber(compete, ISubscriptionCreated)

    company = make_company(settings={**WORKER, **ini(audit={'path': '/NWS'})}, setup=setup)
    assert len(tries) == 2
    assert kept(company) == [(TO + 'audit', True, 'Active subscription.')]
    assert messages(caplog, logging.ERROR) == ''
