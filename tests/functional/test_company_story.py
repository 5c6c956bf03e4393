"""Who gets what when something happens in the company."""

import logging

from pyramid.config import Configurator
from zope.lifecycleevent import ObjectAddedEvent, ObjectRemovedEvent

from pyramid_webhooks import explain_event
from pyramid_webhooks.testing import Receiver
from tests.company import (
    Employee,
    Folder,
    IEmployee,
    Security,
    WithoutVerdicts,
    add,
    messages,
    names_of,
    remove,
    wait_until,
)


def paths(receiver):
    return sorted(request.path for request in receiver.requests)


def subscribe_everyone(company, receiver):
    company.subscribe('/', receiver.url_for('president'), owner='president')
    company.subscribe('/NWS', receiver.url_for('head'), owner='head')
    company.subscribe('/NWS/OUN', receiver.url_for('manager'), owner='manager')


def test_one_new_employee_in_an_office_is_three_deliveries(company, receiver):
    subscribe_everyone(company, receiver)
    company.add('/NWS/OUN', 'ann', age=41)
    company.settle()
    assert paths(receiver) == ['/head', '/manager', '/president']
    assert {request.body for request in receiver.requests} == {b'{"name":"ann","age":41}'}
    assert len({request.headers['webhook-id'] for request in receiver.requests}) == 1
    for path, owner in (('/', 'president'), ('/NWS', 'head'), ('/NWS/OUN', 'manager')):
        (attempt,) = company.attempts(path)
        assert attempt[:4] == ('successful', 1, '200 OK', 'employee.added')
        assert company.at(path, lambda manager: [s.owner for s in manager.values()]) == [owner]


def test_a_new_employee_in_another_office_is_none_of_the_managers_business(company, receiver):
    subscribe_everyone(company, receiver)
    company.add('/NWS/NCA', 'ben')
    company.settle()
    assert paths(receiver) == ['/head', '/president']


def test_a_bulk_removal_from_the_root_reaches_the_manager_of_each_office_once(company, receiver):
    company.add('/NWS/OUN', 'ann')
    company.add('/NWS/NCA', 'ben')
    company.subscribe(
        '/NWS/OUN', receiver.url_for('oun'), events=['employee.removed'], owner='manager'
    )
    company.subscribe(
        '/NWS/NCA', receiver.url_for('nca'), events=['employee.removed'], owner='other_manager'
    )

    def remove_both(context, request):
        remove(context['NWS']['OUN'], 'ann', request.registry.notify)
        remove(context['NWS']['NCA'], 'ben', request.registry.notify)

    company.request(remove_both)
    company.settle()
    bodies = {request.path: request.json()['name'] for request in receiver.requests}
    assert bodies == {'/oun': 'ann', '/nca': 'ben'}
    assert len(receiver.requests) == 2


def test_whoever_may_not_see_the_object_gets_nothing_and_nothing_is_recorded(company, receiver):
    company.subscribe('/', receiver.url_for('no'), owner='outsider')
    company.subscribe('/', receiver.url_for('other'), owner='other_manager')
    company.subscribe('/', receiver.url_for('yes'), owner='manager')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert paths(receiver) == ['/yes']
    assert len(company.attempts('/')) == 1


def test_the_same_url_gets_it_when_any_of_its_owners_may_see_the_object(company, receiver):
    company.subscribe('/', receiver.url, owner='outsider')
    company.subscribe('/', receiver.url, owner='manager')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 1


def test_an_owner_nobody_knows_gets_nothing(company, receiver):
    company.subscribe('/', receiver.url, owner='ghost')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert receiver.requests == []
    assert company.attempts('/') == []


def test_without_an_owner_nobody_is_asked(make_company, receiver):
    company = make_company(policy=WithoutVerdicts())
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 1


def test_where_no_policy_can_tell_the_answer_is_no_and_startup_says_so(
    make_company, receiver, caplog
):
    company = make_company(policy=WithoutVerdicts())
    assert 'permits_for(userid, context, permission)' in messages(caplog)
    company.subscribe('/', receiver.url, owner='president')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert receiver.requests == []


def test_a_look_up_of_the_owner_that_raises_is_a_no_and_the_request_is_fine(
    make_company, receiver, caplog
):
    class Broken(Security):
        def permits_for(self, userid, context, permission):
            raise LookupError('the directory is down')

    company = make_company(policy=Broken())
    company.subscribe('/', receiver.url_for('no'), owner='president')
    company.subscribe('/', receiver.url_for('yes'))
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert paths(receiver) == ['/yes']
    assert 'could not be judged' in messages(caplog, logging.ERROR)


def test_principals_may_come_from_a_resolver_of_the_application(make_company, receiver):
    def resolver(userid, request):
        assert request.registry is not None
        return {'boss': ['president', 'boss']}.get(userid)

    company = make_company(
        policy=WithoutVerdicts(), setup=lambda config: config.set_webhook_principals(resolver)
    )
    company.subscribe('/', receiver.url_for('boss'), owner='boss')
    company.subscribe('/', receiver.url_for('ghost'), owner='ghost')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert paths(receiver) == ['/boss']


def test_the_object_is_judged_whatever_represents_it(company, receiver):
    def represent(employee):
        office = employee.__parent__.__parent__['NCA']
        return {'office': office.__name__}

    company.restart(setup=lambda config: config.add_webhook_payload(represent, IEmployee))
    company.subscribe('/', receiver.url_for('manager'), owner='manager')
    company.subscribe('/', receiver.url_for('other'), owner='other_manager')
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert paths(receiver) == ['/manager']


def test_a_removed_employee_is_judged_where_it_stood(company, receiver):
    company.add('/NWS/OUN', 'ann')
    company.subscribe('/', receiver.url_for('manager'), owner='manager')
    company.subscribe('/', receiver.url_for('other'), owner='other_manager')

    def do(context, request):
        employee = remove(context, 'ann', request.registry.notify)
        return employee.__parent__ is None

    assert company.request(do, '/NWS/OUN') is True
    company.settle()
    assert paths(receiver) == ['/manager']
    assert receiver.requests[0].json() == {'name': 'ann', 'age': 30}


def test_permission_is_judged_when_the_event_happens_and_not_when_it_is_sent(company, receiver):
    company.subscribe('/NWS/OUN', receiver.url, events=['employee.added'], owner='manager')

    def do(context, request):
        add(context, 'ann', request.registry.notify)
        context.viewers = ()

    company.request(do, '/NWS/OUN')
    company.settle()
    assert len(receiver.requests) == 1
    company.add('/NWS/OUN', 'ben')
    company.settle()
    assert len(receiver.requests) == 1


def test_the_managers_of_the_requests_context_are_asked_too_each_once(company, receiver):
    company.subscribe('/NWS/NCA', receiver.url_for('context'))
    company.subscribe('/NWS', receiver.url_for('both'))

    def do(context, request):
        office = context.__parent__['OUN']
        add(office, 'ann', request.registry.notify)

    company.request(do, '/NWS/NCA')
    company.settle()
    assert paths(receiver) == ['/both', '/context']


def test_what_would_happen_is_explained(company, receiver):
    company.subscribe('/', receiver.url, owner='outsider')
    company.subscribe('/NWS', receiver.url, owner='head')
    company.subscribe('/NWS', receiver.url, events=['employee.removed'])

    def do(context, request):
        employee = Employee('ann')
        employee.__parent__ = context
        event = ObjectAddedEvent(employee, context, 'ann')
        return [[would, why] for _, would, why in explain_event(employee, event, request)]

    explained = company.request(do, '/NWS/OUN')
    assert [would for would, _ in explained] == [True, False, False]
    assert explained[0][1] == 'It gets the event as employee.added.'
    assert 'other events' in explained[1][1]
    assert "'outsider' has not the permission 'view'" in explained[2][1]
    company.settle()
    assert receiver.requests == []


def test_the_initiator_must_see_the_object_too_where_that_is_wanted(make_company, receiver):
    company = make_company(settings={'webhooks.check_initiator': 'true'})
    company.subscribe('/', receiver.url, owner='president')

    def add_as(user, name):
        company.request(
            lambda context, request: add(context, name, request.registry.notify) and None,
            '/NWS/OUN',
            user=user,
        )

    add_as('outsider', 'ann')
    add_as(None, 'bea')
    add_as('manager', 'cid')
    company.settle()
    assert names_of(receiver) == ['cid']


def test_a_folder_that_was_taken_out_of_the_tree_is_not_delivered_to_any_more(
    company, receiver, caplog
):
    receiver.answer(status=500)
    company.restart(settings={**company.settings, 'webhooks.retry_schedule': '1s'})
    company.subscribe('/NWS/OUN', receiver.url)
    company.add('/NWS/OUN', 'ann')
    receiver.wait_for(1)
    company.settle()
    caplog.clear()

    def do(context, request):
        del context['OUN']

    company.request(do, '/NWS')
    wait_until(lambda: 'Dropped 1 deliver' in messages(caplog))
    assert len(receiver.requests) == 1


def test_two_applications_in_one_process_stay_apart(make_company):
    with Receiver() as one, Receiver() as other:
        first, second = make_company(), make_company()
        first.subscribe('/', one.url)
        second.subscribe('/', other.url)
        first.add('/NWS/OUN', 'ann')
        second.add('/NWS/OUN', 'ben')
        first.settle()
        second.settle()
        assert names_of(one) == ['ann']
        assert names_of(other) == ['ben']


def test_an_event_that_nobody_subscribed_to_leaves_no_trace(make_company):
    company = make_company(settings={'webhooks.delivery': 'worker'})
    before = company.database.lastTransaction()
    company.request(
        lambda context, request: request.registry.notify(
            ObjectRemovedEvent(context['NWS'], context, 'NWS')
        )
    )
    assert company.database.lastTransaction() == before


def test_what_happens_to_objects_without_a_database_is_logged_and_owed_to_nobody(
    company, receiver, caplog
):
    def setup(config: Configurator):
        config.add_webhook_subscription(receiver.url, events=['employee.added'], name='everyone')

    company.restart(setup=setup)
    folder = Folder()
    add(folder, 'ann', company.registry.notify)
    assert 'owed to nobody' in messages(caplog, logging.ERROR)
    company.settle()
    assert receiver.requests == []
