"""The ways of firing an event, and what it is called."""

import pytest
import zope.event
from zope.interface import Interface, alsoProvides, implementer
from zope.interface.interfaces import IObjectEvent
from zope.lifecycleevent import (
    IObjectMovedEvent,
    ObjectAddedEvent,
    ObjectCopiedEvent,
    ObjectModifiedEvent,
    ObjectMovedEvent,
)

from pyramid_webhooks import UnknownEventType, manager_of, subscribe
from tests.company import (
    Employee,
    Folder,
    IEmployee,
    IPerson,
    IPromoted,
    Promoted,
    add,
    modify,
    names_of,
)

ONE_ARGUMENT = 'registry.notify(event)'
TWO_ARGUMENTS = 'registry.notify(event, obj)'
ZOPE = 'zope.event.notify(event)'
DIRECT = 'request.webhooks.notify(event)'
WAYS = {
    ONE_ARGUMENT: lambda request, event: request.registry.notify(event),
    TWO_ARGUMENTS: lambda request, event: request.registry.notify(event, event.object),
    ZOPE: lambda request, event: zope.event.notify(event),
    DIRECT: lambda request, event: request.webhooks.notify(event),
}


class ISomethingHappened(Interface):
    """An event that is not about an object."""


@implementer(ISomethingHappened)
class SomethingHappened:
    object = None


@pytest.mark.parametrize('way', WAYS)
def test_each_way_of_firing_is_one_delivery(company, receiver, way):
    company.subscribe('/', receiver.url)

    def do(context, request):
        add(context, 'ann', lambda event: WAYS[way](request, event))

    company.request(do, '/NWS/OUN')
    company.settle()
    assert len(receiver.requests) == 1


@pytest.mark.parametrize('coalesce', ['true', 'false'])
def test_the_same_event_fired_in_all_ways_is_one_delivery(make_company, receiver, coalesce):
    company = make_company(settings={'webhooks.coalesce': coalesce})
    company.subscribe('/', receiver.url)

    def do(context, request):
        def notify(event):
            for way in WAYS.values():
                way(request, event)

        add(context, 'ann', notify)

    company.request(do, '/NWS/OUN')
    company.settle()
    assert len(receiver.requests) == 1


def test_zope_event_is_not_listened_to_where_that_is_switched_off(make_company, receiver):
    company = make_company(settings={'webhooks.zope_event': 'false'})
    company.subscribe('/', receiver.url)

    def do(context, request):
        add(context, 'ann', zope.event.notify)
        add(context, 'ben', request.registry.notify)

    company.request(do, '/NWS/OUN')
    company.settle()
    assert names_of(receiver) == ['ben']


def test_zope_event_finds_the_application_of_the_object_without_any_request(company, receiver):
    company.subscribe('/', receiver.url)
    company.transact(lambda root: add(root['NWS']['OUN'], 'ann', zope.event.notify) and None)
    company.settle()
    assert len(receiver.requests) == 1


def test_an_event_object_of_ones_own_goes_to_its_event_type(company, receiver):
    company.restart(
        setup=lambda config: config.add_webhook_event('employee.promoted', IEmployee, IPromoted)
    )
    company.subscribe('/', receiver.url, events=['employee.promoted'])

    def do(context, request):
        ann = add(context, 'ann', request.registry.notify)
        request.registry.notify(Promoted(ann))

    company.request(do, '/NWS/OUN')
    company.settle()
    assert [each[3] for each in company.attempts('/')] == ['employee.promoted']


def test_an_event_that_is_about_no_object_goes_to_its_event_type(company, receiver):
    def setup(config):
        config.add_webhook_event('something.happened', when=ISomethingHappened)
        config.add_webhook_payload(
            lambda obj, event: {'happened': True}, Interface, ISomethingHappened
        )

    company.restart(setup=setup)
    company.subscribe('/', receiver.url, events=['something.happened'])
    event = SomethingHappened()

    def do(context, request):
        for way in (ONE_ARGUMENT, ZOPE):
            WAYS[way](request, event)

    company.request(do, '/NWS/OUN')
    company.settle()
    assert len(receiver.requests) == 1


def test_a_named_event_on_an_object_is_sent_as_the_object(company, receiver):
    company.subscribe('/', receiver.url)

    def do(context, request):
        ann = context['ann'] = Employee('ann')
        request.webhooks.notify('employee.greeted', ann)

    company.request(do, '/NWS/OUN')
    company.settle()
    assert receiver.requests[0].json() == {'name': 'ann', 'age': 30}
    assert [each[3] for each in company.attempts('/')] == ['employee.greeted']


def test_a_named_event_on_an_object_is_one_of_all_object_events(company, receiver):
    def do(context, request):
        subscribe(context, receiver.url_for('all'), for_=IPerson)
        subscribe(context, receiver.url_for('folders'), for_=Folder)
        subscribe(context, receiver.url_for('promoted'), for_=IPerson, when=IPromoted)
        ann = context['ann'] = Employee('ann')
        request.webhooks.notify('employee.greeted', ann)
        request.webhooks.notify('company.closed', payload=1)

    company.request(do, '/NWS/OUN')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/all']
    assert [each[3] for each in company.attempts('/NWS/OUN')] == ['employee.greeted']


def test_an_event_type_with_an_interface_that_is_fired_by_name_has_its_payload(company, receiver):
    def setup(config):
        config.add_webhook_event('employee.promoted', IEmployee, IPromoted)
        config.add_webhook_payload(lambda obj, event: 'congratulations', IEmployee, IPromoted)

    company.restart(setup=setup)
    company.subscribe('/', receiver.url)

    def do(context, request):
        request.webhooks.notify('employee.promoted', add(context, 'ann', lambda event: None))

    company.request(do, '/NWS/OUN')
    company.settle()
    assert [request.json() for request in receiver.requests] == ['congratulations']


def test_a_removal_may_be_fired_by_its_name(company, receiver):
    company.subscribe('/', receiver.url)

    def do(context, request):
        ann = context['ann'] = Employee('ann')
        request.webhooks.notify('employee.added', ann)
        request.tm.commit()
        request.tm.begin()
        del context['ann']
        ann.age = 31
        request.webhooks.notify('employee.removed', ann)
        ann.age = 99

    company.request(do, '/NWS/OUN')
    company.settle()
    assert [request.json()['age'] for request in receiver.requests] == [30, 31]


def test_a_named_event_carries_any_payload_and_needs_no_object(company, receiver):
    company.subscribe('/NWS', receiver.url, events=['company.closed'], owner='head')

    def do(context, request):
        request.webhooks.notify('company.closed', payload={'why': 'holiday'})
        request.webhooks.notify('company.closed', payload=None)

    company.request(do, '/NWS')
    company.settle()
    assert [request.json() for request in receiver.requests] == [{'why': 'holiday'}, None]


def test_the_look_up_may_start_at_another_resource(company, receiver):
    company.subscribe('/NWS/OUN', receiver.url_for('oun'), events=['company.closed'])
    company.subscribe('/NWS/NCA', receiver.url_for('nca'), events=['company.closed'])

    def do(context, request):
        office = context['NWS']['OUN']
        request.webhooks.notify('company.closed', payload=1, context=office)

    company.request(do)
    company.settle()
    assert [request.path for request in receiver.requests] == ['/oun']


def test_a_named_event_may_be_for_one_owner_only(company, receiver):
    for owner in ('president', 'head'):
        company.subscribe('/NWS', receiver.url_for(owner), events=['company.closed'], owner=owner)

    def do(context, request):
        request.webhooks.notify('company.closed', payload=1, owner='head')

    company.request(do, '/NWS')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/head']


def test_an_unknown_name_is_an_error_that_lists_the_valid_ones(company):
    def do(context, request):
        with pytest.raises(UnknownEventType, match='employee.added, employee.greeted'):
            request.webhooks.notify('employee.sacked', context)

    company.request(do)


@pytest.mark.parametrize(
    'arguments',
    [
        ('employee.greeted',),
        ('company.closed',),
        ('employee.greeted', Folder()),
        (Promoted(None),),
    ],
)
def test_there_must_be_something_of_the_right_type_to_send(company, arguments):
    def do(context, request):
        with pytest.raises(ValueError, match='needs an object|neither an object|which'):
            request.webhooks.notify(*arguments)

    company.request(do)


def test_a_type_with_an_owner_goes_to_the_subscriptions_of_the_owner_of_the_object(
    company, receiver, caplog
):
    def owner_of(employee):
        return {'ann': 'head', 'ben': 'president'}[employee.name]

    company.restart(
        setup=lambda config: config.add_webhook_event(
            'employee.promoted', IEmployee, IPromoted, owner_of=owner_of
        )
    )
    for owner in ('president', 'head', None):
        company.subscribe('/', receiver.url_for(str(owner)), ['employee.promoted'], owner=owner)

    def do(context, request):
        for name in ('ann', 'zoe'):
            employee = context[name] = Employee(name)
            request.registry.notify(Promoted(employee))

    company.request(do, '/NWS/OUN')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/head']
    assert 'is unknown' in caplog.text


def test_a_subscription_to_a_broader_type_gets_it_once_under_the_most_specific_name(
    company, receiver
):
    company.restart(
        setup=lambda config: config.add_webhook_event('person.changed', IPerson, IObjectEvent)
    )
    company.subscribe('/', receiver.url, events=['person.changed', 'employee.*', '*'])
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert [each[3] for each in company.attempts('/')] == ['employee.added']


def test_a_pair_that_nobody_registered_is_named_by_the_interface_of_the_event(company, receiver):
    def subscribe_to_type(context, request):
        manager_of(context, create=True).create_subscription(receiver.url, for_=IPerson)

    company.request(subscribe_to_type)

    def do(context, request):
        ann = add(context, 'ann', lambda event: None)
        request.registry.notify(ObjectCopiedEvent(ann, ann))

    company.request(do, '/NWS/OUN')
    company.settle()
    (attempt,) = company.attempts('/')
    assert attempt[3] == 'zope.lifecycleevent.interfaces.IObjectCopiedEvent'


def test_a_moved_object_is_judged_at_its_new_place(company, receiver):
    def setup(config):
        config.add_webhook_event('employee.moved', IEmployee, IObjectMovedEvent)

    company.restart(setup=setup)
    company.add('/NWS/OUN', 'ann')
    for owner in ('manager', 'other_manager'):
        company.subscribe('/', receiver.url_for(owner), events=['employee.moved'], owner=owner)

    def do(context, request):
        ann = context['OUN']['ann']
        del context['OUN']['ann']
        context['NCA']['ann'] = ann
        event = ObjectMovedEvent(ann, context['OUN'], 'ann', context['NCA'], 'ann')
        request.registry.notify(event)

    company.request(do, '/NWS')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/other_manager']


def test_two_events_of_one_object_in_two_transactions_are_two_deliveries(company, receiver):
    company.subscribe('/', receiver.url)
    event = None

    def do(context, request):
        nonlocal event
        if event is None:
            event = ObjectAddedEvent(context.setdefault('ann', Employee('ann')), context, 'ann')
            context['ann'].__parent__ = context
            request.registry.notify(event)
        else:
            modify(context['ann'], request.registry.notify, age=31)

    company.request(do, '/NWS/OUN')
    company.request(do, '/NWS/OUN')
    company.settle()
    assert [each[3] for each in company.attempts('/')] == ['employee.added', 'employee.modified']


def test_the_modification_of_a_folder_reaches_a_subscription_for_folders(company, receiver):
    def subscribe_to_type(context, request):
        return subscribe(context, receiver.url).for_name

    assert company.request(subscribe_to_type, '/NWS').endswith('company.Folder')

    def do(context, request):
        request.registry.notify(ObjectModifiedEvent(context['OUN']))
        add(context['OUN'], 'ann', request.registry.notify)

    company.request(do, '/NWS')
    company.settle()
    (attempt,) = company.attempts('/NWS')
    assert attempt[3].endswith('IObjectModifiedEvent')


def test_an_object_with_interfaces_of_its_own_is_no_obstacle(company, receiver):
    company.subscribe('/', receiver.url)

    def do(context, request):
        employee = context['ann'] = Employee('ann')
        alsoProvides(employee, ISomethingHappened)
        request.registry.notify(ObjectAddedEvent(employee, context, 'ann'))

    company.request(do, '/NWS/OUN')
    company.settle()
    assert [each[3] for each in company.attempts('/')] == ['employee.added']
