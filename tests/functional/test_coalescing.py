"""Several events on one object in one transaction."""

import pytest
from zope.lifecycleevent import ObjectAddedEvent, ObjectRemovedEvent

from tests.company import add, modify, remove


def received(company, receiver):
    company.settle()
    attempts = company.attempts('/')
    assert len(attempts) == len(receiver.requests)
    return [
        (event, request.json())
        for (*_, event, _), request in zip(attempts, receiver.requests, strict=True)
    ]


@pytest.fixture
def ann(company, receiver):
    """An employee who is there already; and a subscription to everything, at the root."""
    company.add('/NWS/OUN', 'ann', age=20)
    company.subscribe('/', receiver.url, events=['*'])
    return 'ann'


def test_ten_modifications_are_one_delivery_with_the_state_at_commit(company, receiver, ann):
    def do(context, request):
        for age in range(40, 50):
            modify(context[ann], request.registry.notify, age=age)
        context[ann].age = 99

    company.request(do, '/NWS/OUN')
    assert received(company, receiver) == [('employee.modified', {'name': 'ann', 'age': 99})]


def test_different_types_and_different_objects_are_deliveries_of_their_own(company, receiver, ann):
    def do(context, request):
        ben = add(context, 'ben', request.registry.notify)
        modify(context[ann], request.registry.notify, age=21)
        modify(ben, request.registry.notify, age=31)

    company.request(do, '/NWS/OUN')
    assert sorted(received(company, receiver), key=repr) == [
        ('employee.added', {'name': 'ben', 'age': 31}),
        ('employee.modified', {'name': 'ann', 'age': 21}),
        ('employee.modified', {'name': 'ben', 'age': 31}),
    ]


def test_what_was_added_and_removed_again_is_nothing(company, receiver, ann):
    def do(context, request):
        ben = add(context, 'ben', request.registry.notify)
        modify(ben, request.registry.notify, age=31)
        request.tm.savepoint()
        remove(context, 'ben', request.registry.notify)

    company.request(do, '/NWS/OUN')
    assert received(company, receiver) == []


def test_also_for_one_who_hears_of_removals_only(company, receiver):
    company.subscribe('/', receiver.url, events=['employee.removed'])

    def do(context, request):
        add(context, 'ben', request.registry.notify)
        remove(context, 'ben', request.registry.notify)

    company.request(do, '/NWS/OUN')
    assert received(company, receiver) == []


def test_what_was_added_removed_and_added_is_one_addition(company, receiver, ann):
    def do(context, request):
        add(context, 'ben', request.registry.notify)
        ben = remove(context, 'ben', request.registry.notify)
        context['ben'] = ben
        request.registry.notify(ObjectAddedEvent(ben, context, 'ben'))

    company.request(do, '/NWS/OUN')
    assert [event for event, _ in received(company, receiver)] == ['employee.added']


def test_what_was_there_before_is_removed_although_it_was_added_again_meanwhile(
    company, receiver, ann
):
    def do(context, request):
        notify = request.registry.notify
        employee = remove(context, ann, notify)
        context[ann] = employee
        notify(ObjectAddedEvent(employee, context, ann))
        remove(context, ann, notify)

    company.request(do, '/NWS/OUN')
    events = [event for event, _ in received(company, receiver)]
    assert events.count('employee.removed') == 1


def test_a_removal_of_what_is_not_in_memory_is_delivered(company, receiver, ann):
    def do(context, request):
        request.registry.notify(ObjectRemovedEvent(context[ann], context, ann))
        context[ann]._p_jar.cacheMinimize()

    company.request(do, '/NWS/OUN')
    assert [event for event, _ in received(company, receiver)] == ['employee.removed']


def test_without_coalescing_every_event_is_delivered_with_the_state_it_had(make_company, receiver):
    company = make_company(settings={'webhooks.coalesce': 'false'})
    company.add('/NWS/OUN', 'ann')
    company.subscribe('/', receiver.url, events=['*'])

    def do(context, request):
        for age in (41, 42, 43):
            modify(context['ann'], request.registry.notify, age=age)

    company.request(do, '/NWS/OUN')
    assert [data['age'] for _, data in received(company, receiver)] == [41, 42, 43]


def modify_in_and_out_of_sight(folder, request):
    """Modify an employee, keep the manager out, and modify again."""
    modify(folder['ann'], request.registry.notify, age=41)
    folder.viewers = ()
    modify(folder['ann'], request.registry.notify, age=42)


def test_the_last_verdict_on_the_permission_counts(company, receiver):
    company.add('/NWS/OUN', 'ann')
    company.subscribe('/', receiver.url_for('manager'), owner='manager')
    company.subscribe('/', receiver.url_for('president'), owner='president')
    company.request(modify_in_and_out_of_sight, '/NWS/OUN')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/president']
    assert receiver.requests[0].json()['age'] == 42


def test_the_last_verdict_counts_also_when_nobody_is_left(company, receiver):
    company.add('/NWS/OUN', 'ann')
    company.subscribe('/', receiver.url, owner='manager')
    company.request(modify_in_and_out_of_sight, '/NWS/OUN')
    company.settle()
    assert receiver.requests == []


def test_one_who_became_able_to_see_it_gets_it(company, receiver):
    company.add('/NWS/OUN', 'ann')
    company.subscribe('/', receiver.url, owner='outsider')

    def do(context, request):
        modify(context['ann'], request.registry.notify, age=41)
        context.viewers += ('outsider',)
        modify(context['ann'], request.registry.notify, age=42)

    company.request(do, '/NWS/OUN')
    assert received(company, receiver) == [('employee.modified', {'name': 'ann', 'age': 42})]


def test_one_in_whose_folder_it_was_before_it_was_moved_still_hears_of_it(company, receiver):
    company.add('/NWS/OUN', 'ann')
    for office in ('OUN', 'NCA'):
        company.subscribe(f'/NWS/{office}', receiver.url_for(office), events=['employee.modified'])

    def do(context, request):
        employee = context['OUN']['ann']
        modify(employee, request.registry.notify, age=41)
        del context['OUN']['ann']
        context['NCA']['ann'] = employee
        modify(employee, request.registry.notify, age=42)

    company.request(do, '/NWS')
    company.settle()
    bodies = {request.path: request.json()['age'] for request in receiver.requests}
    assert bodies == {'/OUN': 42, '/NCA': 42}


def test_removals_from_two_folders_reach_both(company, receiver):
    company.add('/NWS/OUN', 'ann')
    for office in ('OUN', 'NCA'):
        company.subscribe(f'/NWS/{office}', receiver.url_for(office), events=['employee.removed'])

    def do(context, request):
        employee = remove(context['OUN'], 'ann', request.registry.notify)
        context['NCA']['ann'] = employee
        remove(context['NCA'], 'ann', request.registry.notify)

    company.request(do, '/NWS')
    company.settle()
    assert sorted(request.path for request in receiver.requests) == ['/NCA', '/OUN']


def test_named_events_for_different_owners_do_not_replace_each_other(company, receiver):
    for owner in ('president', 'head'):
        company.subscribe('/', receiver.url_for(owner), events=['employee.greeted'], owner=owner)
    company.add('/NWS/OUN', 'ann')

    def do(context, request):
        for owner in ('president', 'head'):
            request.webhooks.notify('employee.greeted', context['ann'], owner=owner)

    company.request(do, '/NWS/OUN')
    company.settle()
    assert sorted(request.path for request in receiver.requests) == ['/head', '/president']


def test_payloads_that_are_given_are_each_delivered(company, receiver, ann):
    def do(context, request):
        for number in range(3):
            request.webhooks.notify('employee.greeted', context[ann], payload={'n': number})

    company.request(do, '/NWS/OUN')
    assert [data for _, data in received(company, receiver)] == [{'n': 0}, {'n': 1}, {'n': 2}]
