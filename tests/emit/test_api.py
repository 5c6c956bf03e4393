"""``request.webhooks`` and ``explain_event``: what they refuse, and what they say."""

import pytest
from zope.interface.interfaces import IObjectEvent
from zope.lifecycleevent import ObjectAddedEvent, ObjectModifiedEvent, ObjectRemovedEvent

from pyramid_webhooks import UnknownEventType, explain_event, manager_of
from tests.company import Employee, Folder, IEmployee, IPerson, IPromoted, Promoted, remove


@pytest.fixture
def company(make_company):
    """A company that sends nothing by itself, and knows of promotions."""

    def setup(config):
        config.add_webhook_event('employee.promoted', IEmployee, IPromoted)
        config.add_webhook_event('employee.blessed', Employee, owner_of=lambda employee: 'head')
        config.add_webhook_subscription(
            'https://audit.example/', events=['employee.added', 'company.*'], name='audit'
        )

    return make_company(settings={'webhooks.delivery': 'worker'}, setup=setup)


def subscribe(company, path, **keywords):
    to = 'http://127.0.0.1:9/'
    return company.request(
        lambda context, request: (
            manager_of(context, create=True).create_subscription(to, **keywords).id
        ),
        path,
    )


@pytest.mark.parametrize(
    'arguments, keywords, error, message',
    [
        (('employee.sacked',), {}, UnknownEventType, "'employee.sacked'.*employee.promoted"),
        (('employee.*', Employee('ann')), {}, UnknownEventType, 'employee.*'),
        (('',), {'payload': 1}, UnknownEventType, "''"),
        (('employee.promoted',), {}, ValueError, "'employee.promoted' needs an object"),
        (
            ('employee.promoted', Folder()),
            {},
            ValueError,
            "promoted' is for .*IEmployee",
        ),
        (('employee.blessed', 'ann'), {}, ValueError, "'employee.blessed' is for .*Employee"),
        (('company.closed',), {}, ValueError, 'neither an object nor a payload'),
        ((Promoted(None),), {}, ValueError, 'IPromoted.*neither an object nor a payload'),
        ((None,), {}, ValueError, 'neither an object nor a payload'),
    ],
)
def test_what_can_not_be_fired_is_an_error_that_names_it(
    company, arguments, keywords, error, message
):
    def do(context, request):
        with pytest.raises(error, match=message):
            request.webhooks.notify(*arguments, **keywords)
        return request.webhooks is request.webhooks

    before = company.database.lastTransaction()
    assert company.request(do) is True
    assert company.database.lastTransaction() == before


def test_the_object_of_an_event_may_be_another_than_the_one_it_names(company):
    id = subscribe(company, '/NWS', events=['employee.promoted'], owner='head')

    def do(context, request):
        ann = context['ann'] = Employee('ann')
        request.webhooks.notify(Promoted(None), ann)
        request.webhooks.notify('employee.promoted', payload={'who': 'nobody'})

    company.request(do, '/NWS')
    assert [each[3] for each in company.attempts('/NWS', id)] == ['employee.promoted'] * 2


def test_an_event_that_is_fired_by_its_name_reaches_those_who_want_its_pair(company):
    ids = [
        subscribe(company, '/NWS', for_=for_, when=when)
        for for_, when in (
            (Employee, IPromoted),
            (IPerson, IObjectEvent),
            (None, None),
            (Folder, IPromoted),
        )
    ]

    def do(context, request):
        ann = context['ann'] = Employee('ann')
        request.webhooks.notify('employee.promoted', ann)
        request.webhooks.notify('employee.greeted', ann)

    company.request(do, '/NWS')
    events = [[each[3] for each in company.attempts('/NWS', id)] for id in ids]
    both = ['employee.promoted', 'employee.greeted']
    assert events == [['employee.promoted'], both, both, []]


def explained(company, make_event, path='/NWS/OUN', obj=Employee, user=None):
    """{(id, reason without details)} of what explain_event says, and how it is ordered."""

    def do(context, request):
        employee = obj('ann')
        employee.__parent__, employee.__name__ = context, 'ann'
        before = context._p_jar.db().lastTransaction()
        found = explain_event(employee, make_event(employee, context), request)
        assert context._p_jar.db().lastTransaction() == before
        return [[subscription.id, would, why] for subscription, would, why in found]

    return [tuple(each) for each in company.request(do, path, user=user)]


def test_each_subscription_that_would_be_met_is_explained_closest_first(company):
    office = subscribe(company, '/NWS/OUN', events=['employee.added'], owner='manager')
    stranger = subscribe(company, '/NWS/OUN', events=['employee.*'], owner='other_manager')
    typed = subscribe(company, '/NWS', for_=IPerson)
    folders = subscribe(company, '/NWS', for_=Folder)
    removals = subscribe(company, '/', events=['employee.removed', '*.promoted'])
    off = subscribe(company, '/', events=['*'])
    company.at('/', lambda manager: manager.deactivate(manager[off], 'Gone fishing.'))
    subscribe(company, '/NWS/NCA', events=['*'])

    found = explained(company, lambda employee, folder: ObjectAddedEvent(employee, folder, 'ann'))
    gets = 'It gets the event as employee.added.'
    assert found == [
        (office, True, gets),
        (stranger, False, "It is not applicable: 'other_manager' has not the permission 'view'."),
        (typed, True, gets),
        (
            folders,
            False,
            'It is for other events: tests.company.Folder, '
            'zope.interface.interfaces.IObjectEvent.',
        ),
        (removals, False, 'It is for other events: employee.removed, *.promoted.'),
        (off, False, 'It is not active: Gone fishing.'),
        ('audit', True, gets),
    ]


def test_an_event_may_be_explained_by_its_name(company):
    greeted = subscribe(company, '/NWS', events=['employee.greeted'])
    assert explained(company, lambda employee, folder: 'employee.greeted')[0] == (
        greeted,
        True,
        'It gets the event as employee.greeted.',
    )

    def do(context, request):
        with pytest.raises(UnknownEventType, match='employee.sacked'):
            explain_event(context, 'employee.sacked', request)

    company.request(do)


def test_an_event_for_one_owner_only_is_explained(company):
    head, president = (
        subscribe(company, '/', events=['employee.blessed'], owner=owner)
        for owner in ('head', 'president')
    )
    company.request(lambda context, request: setattr(context, 'viewers', ('head',)))
    found = {id: would for id, would, _ in explained(company, lambda *_: 'employee.blessed')}
    assert found == {head: True, president: False, 'audit': False}


def test_what_is_explained_of_a_removed_object_is_what_held_where_it_stood(company):
    company.add('/NWS/OUN', 'ann')
    manager = subscribe(company, '/', events=['employee.removed'], owner='manager')

    def do(context, request):
        employee = remove(context, 'ann', lambda event: None)
        event = ObjectRemovedEvent(employee, context, 'ann')
        return [[each.id, would] for each, would, _ in explain_event(employee, event, request)]

    assert company.request(do, '/NWS/OUN')[0] == [manager, True]


def test_outside_of_a_request_the_application_is_that_of_the_object(company):
    id = subscribe(company, '/', events=['employee.modified'], owner='president')
    company.add('/NWS/OUN', 'ann')

    def look(root):
        ann = root['NWS']['OUN']['ann']
        return [
            (each.id, would) for each, would, _ in explain_event(ann, ObjectModifiedEvent(ann))
        ]

    assert company.transact(look) == [(id, True), ('audit', False)]
    with pytest.raises(ValueError, match='belongs to no application'):
        explain_event(Employee('nobody'), 'employee.greeted')


def test_what_is_explained_is_what_happens(company):
    """For each subscription, whatever it is for."""
    for owner in ('manager', 'other_manager', 'president', 'ghost', None):
        for events in (['employee.added'], ['*.added'], ['company.*']):
            subscribe(company, '/NWS', events=events, owner=owner)

    def do(context, request):
        ann = context['ann'] = Employee('ann')
        event = ObjectAddedEvent(ann, context, 'ann')
        found = explain_event(ann, event, request)
        request.registry.notify(event)
        return [each.id for each, would, _ in found if would and each.kind != 'global']

    would = company.request(do, '/NWS/OUN')
    assert len(would) == 6

    def got(manager):
        return [each.id for each in manager.values() if len(each.attempts)]

    assert sorted(company.at('/NWS', got)) == sorted(would)
