"""Subscriptions that the configuration defines and that are kept in the tree."""

import logging

import pytest
from pyramid.exceptions import ConfigurationConflictError

from pyramid_webhooks import manager_of
from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.resources.secrets import new_secret
from pyramid_webhooks.resources.upkeep import CHANGED, GONE
from tests.company import Folder, add, messages, names_of, root_factory
from tests.functional.keeping import TO, WORKER, active, change, indexed, ini, kept


def test_one_of_the_ini_file_is_added_to_the_folder_and_gets_what_its_owner_may_see(
    make_company, receiver
):
    secret = new_secret()
    options = {
        'to': receiver.url,
        'path': '/NWS/OUN',
        'owner': 'manager',
        'secret': secret,
        'headers': 'X-One: 1',
        'description': 'for the auditors',
    }
    company = make_company(settings=ini(audit=options))
    company.add('/NWS/NCA', 'ben')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    (request,) = receiver.requests
    assert request.json()['name'] == 'ann'
    assert request.headers['X-One'] == '1' and 'webhook-signature' in request.headers

    def look(manager):
        (found,) = manager.values()
        return found.kind, found.owner, found.secrets, found.description, len(found.attempts)

    assert company.at('/NWS/OUN', look) == ('tree', 'manager', (secret,), 'for the auditors', 1)


def test_one_of_a_directive_may_do_without_a_name(make_company, receiver):
    def setup(config):
        for _ in range(2):
            config.add_webhook_subscription(receiver.url, events=['employee.*'], path='/NWS/')

    company = make_company(setup=setup)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 2
    before = indexed(company)
    company.restart()
    assert indexed(company) == before and len(before) == 2


def test_names_are_those_of_global_ones_too(make_company):
    def setup(config):
        config.add_webhook_subscription(TO, name='audit', events=['*'])
        config.add_webhook_subscription(TO, name='audit', events=['*'], path='/NWS')

    with pytest.raises(ConfigurationConflictError):
        make_company(setup=setup)


def test_without_a_secret_it_is_unsigned_and_startup_says_so(make_company, receiver, caplog):
    options = {'to': receiver.url, 'path': '/'}
    company = make_company(settings=ini(audit=options))
    assert 'audit has no secret' in messages(caplog)
    company.add('/NWS/OUN', 'ann')
    (request,) = receiver.wait_for(1)
    assert 'webhook-signature' not in request.headers


def test_it_hears_of_its_folder_and_of_requests_there_and_of_nothing_else(make_company, receiver):
    company = make_company(settings=ini(audit={'to': receiver.url, 'path': '/NWS/OUN'}))

    def add_there(context, request):
        add(context.__parent__['NCA'], 'ben', request.registry.notify)

    company.request(add_there, '/NWS/OUN')
    company.settle()
    company.add('/NWS/NCA', 'cid')
    company.request(
        lambda context, request: add(context['NWS']['OUN'], 'ann', request.registry.notify) and 0
    )
    company.settle()
    assert names_of(receiver) == ['ben', 'ann']


def test_one_more_leaves_the_others_as_they_are(make_company, receiver):
    first = {'to': receiver.url, 'path': '/NWS'}
    company = make_company(settings=ini(first=first))
    company.add('/NWS/OUN', 'ann')
    company.settle()

    def look(manager):
        return [(each.id, each.modified, list(each.attempts)) for each in manager.values()]

    before = company.at('/NWS', look)
    change(company, second={'path': '/NWS'}, first=first)
    after = company.at('/NWS', look)
    assert after[:1] == before and len(after) == 2


def test_an_unchanged_one_is_not_written_to(make_company):
    company = make_company(settings={**WORKER, **ini(a={'path': '/NWS'}, b={'path': '/'})})
    company.restart()
    last = company.database.lastTransaction()
    company.restart()
    assert company.database.lastTransaction() == last
    assert kept(company) == [(TO + 'a', True, 'Active subscription.')]


def test_a_start_with_nothing_to_keep_leaves_the_root_factory_alone(make_company, monkeypatch):
    requests = []

    def counting(request):
        requests.append(request)
        return root_factory(request)

    monkeypatch.setattr('tests.company.root_factory', counting)
    company = make_company(settings=WORKER)
    assert requests == []
    change(company, a={'path': '/NWS'})
    (request,) = requests
    assert request.path == '/' and request.registry is company.registry
    change(company)
    assert kept(company) == [(TO + 'a', False, GONE)]
    assert len(requests) == 1


def test_a_removed_one_is_deactivated_with_its_history_and_restored_as_a_new_one(
    make_company, receiver, caplog
):
    options = {'to': receiver.url, 'path': '/NWS'}
    company = make_company(settings=ini(audit=options))
    company.add('/NWS/OUN', 'ann')
    company.settle()
    change(company)
    assert kept(company) == [(receiver.url, False, GONE)]
    assert [status for status, *_ in company.attempts('/NWS')] == ['successful']
    assert f'The subscription audit in the tree: {GONE}' in messages(caplog)
    assert indexed(company) == []
    company.add('/NWS/OUN', 'ben')
    change(company, audit=options)
    assert kept(company) == [
        (receiver.url, False, GONE),
        (receiver.url, True, 'Active subscription.'),
    ]
    company.add('/NWS/OUN', 'eva')
    company.settle()
    assert names_of(receiver) == ['ann', 'eva']


@pytest.mark.parametrize(
    'changed',
    [
        {'to': TO + 'elsewhere'},
        {'events': 'employee.added'},
        {'events': '', 'for': 'tests.company.IPerson'},
        {'owner': 'head'},
        {'permission': 'webhooks.view'},
        {'dialect': 'dutch'},
        {'path': '/NWS/OUN'},
    ],
)
def test_what_is_sent_to_whom_makes_it_another_one(make_company, changed):
    company = make_company(
        settings={**WORKER, **ini(audit={'path': '/NWS'})},
        setup=lambda config: config.add_webhook_dialect('dutch', Dialect()),
    )
    change(company, audit={'path': '/NWS', **changed})
    assert kept(company)[0] == (TO + 'audit', False, CHANGED)
    place = changed.get('path', '/NWS')
    assert active(company, place) == [changed.get('to', TO + 'audit')]
    assert indexed(company) == ['audit']


def test_headers_description_and_secret_are_changed_in_place(make_company):
    company = make_company(settings={**WORKER, **ini(audit={'path': '/NWS'})})
    secret = new_secret()
    details = {'headers': 'X-One: 1', 'description': 'new', 'secret': secret}
    change(company, audit={'path': '/NWS', **details})

    def look(manager):
        (found,) = manager.values()
        return found.active, found.headers, found.description, found.secrets

    assert company.at('/NWS', look) == (True, {'X-One': '1'}, 'new', (secret,))
    change(company, audit={'path': '/NWS'})
    assert company.at('/NWS', look) == (True, {}, '', ())


def test_dynamic_ones_beside_it_are_never_touched(make_company):
    company = make_company(settings=WORKER)
    company.subscribe('/NWS', TO + 'audit')
    company.subscribe('/NWS', TO + 'sleeping')
    company.at('/NWS', lambda manager: manager.deactivate(list(manager.values())[1]) and None)

    def dynamic(manager):
        return [
            (each.id, each.active, each.status_message, each.modified, each.secrets)
            for each in manager.values()
            if each.kind == 'dynamic'
        ]

    before = company.at('/NWS', dynamic)
    for subscriptions in ({'audit': {'path': '/NWS'}}, {}, {'audit': {'path': '/NWS'}}):
        change(company, **subscriptions)
        assert company.at('/NWS', dynamic) == before
    assert len(kept(company)) == 4


def test_one_that_was_deactivated_stays_so_while_the_configuration_has_it(make_company):
    company = make_company(settings={**WORKER, **ini(audit={'path': '/NWS'})})

    def deactivate(manager):
        (found,) = manager.values()
        manager.deactivate(found, 'Enough.')

    company.at('/NWS', deactivate)
    company.restart()
    assert kept(company) == [(TO + 'audit', False, 'Enough.')]
    change(company)
    assert kept(company) == [(TO + 'audit', False, GONE)]


def test_one_that_code_removed_is_added_again(make_company):
    company = make_company(settings={**WORKER, **ini(audit={'path': '/NWS'})})

    def remove(manager):
        (id,) = manager
        del manager[id]

    company.at('/NWS', remove)
    company.restart()
    assert kept(company) == [(TO + 'audit', True, 'Active subscription.')]


def test_a_folder_that_goes_takes_it_along_and_one_that_comes_gets_a_new_one(make_company, caplog):
    company = make_company(settings={**WORKER, **ini(audit={'path': '/NWS/OUN'})})

    def move(root):
        office = root['NWS'].pop('OUN')
        root['NWS']['moved'] = office

    company.transact(move)
    company.restart()
    ((_, is_active, message),) = kept(company, '/NWS/moved')
    assert not is_active and '/NWS/OUN' in message
    assert 'There is nothing at /NWS/OUN' in messages(caplog, logging.ERROR)
    company.transact(lambda root: root['NWS'].__setitem__('OUN', Folder()))
    company.restart()
    assert active(company, '/NWS/OUN') == [TO + 'audit']
    assert len(kept(company, '/NWS/moved')) == 1


@pytest.mark.parametrize('path', ['/München Süd', '/M%C3%BCnchen%20S%C3%BCd/'])
def test_a_path_may_be_quoted_or_plain(make_company, path):
    company = make_company(settings=WORKER)
    company.transact(lambda root: root.__setitem__('München Süd', Folder()))
    change(company, audit={'path': path})
    assert active(company, '/München Süd') == [TO + 'audit']


def test_a_folder_of_another_database_is_kept_in_line_there(make_company, tmp_path):
    settings = {**WORKER, 'zodbconn.uri.far': f'file://{tmp_path}/far.fs'}
    company = make_company(settings=settings)

    def mount(root):
        far = root._p_jar.get_connection('far')
        folder = far.root()['office'] = Folder()
        far.add(folder)
        root['far'] = folder

    company.transact(mount)
    change(company, audit={'path': '/far'})
    assert active(company, '/far') == [TO + 'audit']
    assert indexed(company) == []
    company.restart()
    assert len(kept(company, '/far')) == 1
    change(company)
    assert kept(company, '/far') == [(TO + 'audit', False, GONE)]


def test_rest_shows_it_and_refuses_to_change_it(make_company):
    company = make_company(settings={**WORKER, **ini(audit={'path': '/NWS', 'owner': 'head'})})
    id = company.at('/NWS', lambda manager: next(iter(manager)))
    url, who = f'/NWS/__webhooks__/{id}', {'X-User': 'head'}
    assert company.client.get(url, headers=who).json['kind'] == 'tree'
    company.client.patch_json(url, {'active': False}, headers=who, status=409)
    company.client.delete(url, headers=who, status=409)
    assert active(company) == [TO + 'audit']


def test_it_is_found_in_the_manager_of_its_folder(make_company):
    company = make_company(settings={**WORKER, **ini(audit={'path': '/NWS'})})

    def look(root):
        manager = manager_of(root['NWS'])
        (found,) = manager.values()
        return found.__parent__ is manager and manager.__parent__ is root['NWS']

    assert company.transact(look)
