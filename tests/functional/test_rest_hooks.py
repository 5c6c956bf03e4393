"""The life of a hook, as users of REST Hooks know it: a book shop tells the owners of books."""

import pytest
from persistent import Persistent
from zope.lifecycleevent import (
    IObjectAddedEvent,
    IObjectModifiedEvent,
    IObjectRemovedEvent,
    ObjectAddedEvent,
    ObjectModifiedEvent,
    ObjectRemovedEvent,
)

from pyramid_webhooks.interfaces import IAttemptFailed, IAttemptSucceeded
from pyramid_webhooks.resources.subscription import Subscription
from tests.company import Security


class Book(Persistent):
    """A book, and whose it is."""

    __parent__ = __name__ = None

    def __init__(self, name, title, owner):
        self.__name__ = name
        self.title = title
        self.owner = owner

    def __json__(self, request):
        return {'id': self.__name__, 'title': self.title}


class Regional(Subscription):
    """A subscription that says more than others."""

    @property
    def region(self):
        return self.description


class Permissive(Security):
    """Whoever is known may see everything, and subscribe."""

    def permits_for(self, userid, context, permission):
        if userid not in self.people:
            return None
        return permission in ('view', 'webhooks.add')


def owner_of(book):
    return book.owner


def shop(config):
    """The events of the shop: those of books are for their owners, but every change is for all."""
    config.add_webhook_event('book.added', Book, IObjectAddedEvent, owner_of=owner_of)
    config.add_webhook_event('book.changed', Book, IObjectModifiedEvent)
    config.add_webhook_event('book.removed', Book, IObjectRemovedEvent, owner_of=owner_of)
    config.add_webhook_event('book.read', Book, owner_of=owner_of)
    config.add_webhook_event('user.logged_in')


@pytest.fixture
def company(make_company):
    return make_company(
        policy=Permissive(), setup=shop, settings={'webhooks.dialect': 'rest-hooks'}
    )


def add_book(company, owner='head', title='Towers', name='two'):
    def do(context, request):
        book = Book(name, title, owner)
        context[name] = book
        request.registry.notify(ObjectAddedEvent(book, context, name))

    company.request(do)


def hooked(company, event, to, owner='head'):
    """The id of a hook for one event."""
    return company.subscribe('/', to, events=[event], owner=owner)


def test_created_changed_and_removed_are_three_hooks(company, receiver):
    events = ('book.added', 'book.changed', 'book.removed')
    ids = {event: hooked(company, event, receiver.url_for(event)) for event in events}
    add_book(company)
    company.settle()

    def change(context, request):
        context['two'].title = 'Towers: Deluxe'
        request.registry.notify(ObjectModifiedEvent(context['two']))

    company.request(change)
    company.settle()

    def remove(context, request):
        book = context.pop('two')
        request.registry.notify(ObjectRemovedEvent(book, context, 'two'))

    company.request(remove)
    company.settle()
    assert {request.method for request in receiver.requests} == {'POST'}
    assert [request.json() for request in receiver.requests] == [
        {
            'hook': {'id': ids[event], 'event': event, 'target': receiver.url_for(event)},
            'data': {'id': 'two', 'title': title},
        }
        for event, title in zip(
            events, ('Towers', 'Towers: Deluxe', 'Towers: Deluxe'), strict=True
        )
    ]


def test_what_has_no_hook_is_sent_to_nobody(company, receiver):
    hooked(company, 'book.removed', receiver.url)
    add_book(company)
    company.settle()
    assert receiver.requests == []
    assert company.attempts('/') == []


def test_only_the_hooks_of_the_books_owner_are_told(company, receiver):
    for owner in ('head', 'manager'):
        hooked(company, 'book.added', receiver.url_for(owner), owner)
    add_book(company, owner='manager')
    company.settle()
    assert [request.path for request in receiver.requests] == ['/manager']


def test_an_event_that_is_for_all_is_told_to_the_hooks_of_all(company, receiver):
    for owner in ('head', 'manager'):
        hooked(company, 'book.changed', receiver.url_for(owner), owner)
    add_book(company)
    company.request(
        lambda context, request: request.registry.notify(ObjectModifiedEvent(context['two']))
    )
    company.settle()
    assert {request.path for request in receiver.requests} == {'/head', '/manager'}


def test_an_action_of_ones_own_is_fired_by_its_name(company, receiver):
    hooked(company, 'book.read', receiver.url)
    add_book(company)
    company.request(lambda context, request: request.webhooks.notify('book.read', context['two']))
    company.settle()
    (request,) = receiver.requests
    assert request.json()['hook']['event'] == 'book.read'
    assert request.json()['data']['title'] == 'Towers'


def test_a_raw_event_carries_any_payload_to_the_hooks_of_one_user(company, receiver):
    for owner in ('head', 'manager'):
        hooked(company, 'user.logged_in', receiver.url_for(owner), owner)
    company.request(
        lambda context, request: request.webhooks.notify(
            'user.logged_in', payload={'username': 'head'}, owner='head'
        )
    )
    company.settle()
    (request,) = receiver.requests
    assert request.path == '/head'
    assert request.json()['hook']['event'] == 'user.logged_in'
    assert request.json()['data'] == {'username': 'head'}


def test_a_raw_event_without_a_user_is_for_the_hooks_of_all(company, receiver):
    for owner in ('head', 'manager'):
        hooked(company, 'user.logged_in', receiver.url_for(owner), owner)
    company.request(
        lambda context, request: request.webhooks.notify('user.logged_in', payload='anybody')
    )
    company.settle()
    assert {request.path for request in receiver.requests} == {'/head', '/manager'}


def test_a_factory_that_is_given_the_hook_makes_the_whole_body(make_company, receiver):
    def serialize(book, event, subscription):
        return {'hook': subscription.id, 'data': {'name': book.title.upper()}}

    def setup(config):
        shop(config)
        config.add_webhook_payload(serialize, Book, IObjectAddedEvent)

    company = make_company(policy=Permissive(), setup=setup)
    id = hooked(company, 'book.added', receiver.url)
    add_book(company)
    company.settle()
    assert receiver.requests[0].json() == {'hook': id, 'data': {'name': 'TOWERS'}}


def test_a_user_subscribes_over_http_and_unsubscribes_again(company, receiver):
    who = {'X-User': 'head'}
    wish = {'to': receiver.url, 'events': ['book.added']}
    made = company.client.post_json('/__webhooks__', wish, headers=who, status=201).json
    add_book(company, name='one')
    company.settle()
    (request,) = receiver.requests
    assert request.json()['hook'] == {
        'id': made['id'],
        'event': 'book.added',
        'target': receiver.url,
    }
    other = company.client.get('/__webhooks__', headers={'X-User': 'manager'}).json
    assert other['subscriptions'] == []
    company.client.delete(made['url'], headers=who, status=204)
    add_book(company)
    company.settle()
    assert len(receiver.requests) == 1


def test_what_a_hook_may_be_for_can_be_listed(company):
    listed = company.client.get('/__webhooks__/events', headers={'X-User': 'head'}).json['events']
    names = [each['name'] for each in listed]
    assert {'book.added', 'book.changed', 'book.removed', 'book.read', 'user.logged_in'} <= set(
        names
    )
    wish = {'to': 'https://shop.example/', 'events': ['book.burnt']}
    refused = company.client.post_json(
        '/__webhooks__', wish, headers={'X-User': 'head'}, status=400
    ).json
    assert 'book.added' in refused['errors'][0]['description']


def test_a_handler_is_told_what_was_sent_to_which_hook(make_company, receiver):
    told = []

    def setup(config):
        shop(config)
        for interface in (IAttemptSucceeded, IAttemptFailed):
            config.add_subscriber(
                lambda event, name=interface.__name__: told.append(
                    (name, event.subscription.id, event.object.event, event.object.request.body)
                ),
                interface,
            )

    company = make_company(
        policy=Permissive(), setup=setup, settings={'webhooks.retry_schedule': ''}
    )
    id = hooked(company, 'book.added', receiver.url)
    add_book(company, name='one')
    company.settle()
    receiver.answer(500)
    add_book(company)
    company.settle()
    sent = [request.body for request in receiver.requests]
    assert told == [
        ('IAttemptSucceeded', id, 'book.added', sent[0]),
        ('IAttemptFailed', id, 'book.added', sent[1]),
    ]


def regional_shop(config):
    """The shop, which tells the hooks of the south only."""

    def in_the_south(search):
        for manager in search.managers:
            for subscription in manager.matching(search.keys):
                if subscription.region == 'south':
                    yield subscription

    shop(config)
    config.set_webhook_subscription_factory(Regional)
    config.set_webhook_finder(in_the_south)


def test_a_finder_may_choose_by_what_a_subclass_knows_of_raw_events_too(make_company, receiver):
    company = make_company(policy=Permissive(), setup=regional_shop)
    for region in ('north', 'south'):
        to, events = receiver.url_for(region), ['book.added', 'user.logged_in']
        company.subscribe('/', to, events, owner='head', description=region)
    add_book(company)
    company.request(
        lambda context, request: request.webhooks.notify('user.logged_in', payload='south')
    )
    company.settle()
    assert [request.path for request in receiver.requests] == ['/south'] * 2
    assert receiver.requests[1].json() == 'south'
