"""The catalogue of event types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface import Interface, alsoProvides, implementer
from zope.interface.interfaces import IObjectEvent, ObjectEvent

from pyramid_webhooks.events import (
    EventCatalogue,
    EventType,
    NamedEvent,
    SubscriptionCreated,
    dotted_name,
)
from pyramid_webhooks.interfaces import (
    INamedEvent,
    ISubscription,
    ISubscriptionCreated,
    IWebhookEvent,
    UnknownEventType,
)


class IThing(Interface):
    """A thing."""


class IBook(IThing):
    """A book."""


class IHappened(IObjectEvent):
    """Something happened."""


class IPrinted(IHappened):
    """Something was printed."""


@implementer(IBook)
class Book:
    """A book."""


class Novel(Book):
    """A novel."""


@implementer(IHappened)
class Happened(ObjectEvent):
    """Something happened."""


@implementer(IPrinted)
class Printed(ObjectEvent):
    """Something was printed."""


def catalogue(*event_types):
    made = EventCatalogue()
    for arguments in event_types:
        made.add(EventType(*arguments))
    return made


BROAD = ('thing.happened', IThing, IHappened)
NARROW = ('book.printed', IBook, IPrinted)


@pytest.mark.parametrize(
    'event_types, obj, event, name',
    [
        ([BROAD, NARROW], Book, Printed, 'book.printed'),
        ([BROAD, NARROW], Book, Happened, 'thing.happened'),
        ([BROAD, ('novel.printed', Novel, IPrinted), NARROW], Novel, Printed, 'novel.printed'),
        # The object counts first, then the event.
        (
            [('thing.printed', IThing, IPrinted), ('book.happened', IBook, IHappened)],
            Book,
            Printed,
            'book.happened',
        ),
        ([('any.printed', None, IPrinted)], Book, Printed, 'any.printed'),
        ([('any.printed', None, IPrinted), BROAD], Book, Printed, 'thing.happened'),
    ],
)
def test_an_event_has_the_name_of_the_most_specific_pair(event_types, obj, event, name):
    thing = obj()
    for order in (event_types, event_types[::-1]):
        resolution = catalogue(*order).resolve(thing, event(thing))
        assert resolution.name == name
        assert resolution.event_type.name == name


def test_a_pair_is_resolved_once_for_all_objects_of_a_type():
    made = catalogue(BROAD)
    first, other = Book(), Book()
    found = made.resolve(first, Happened(first))
    assert made.resolve(other, Happened(other)) is found
    assert made.resolve(first, Printed(first)) is not found


def test_without_a_pair_it_has_the_name_of_the_interface_of_the_event():
    book = Book()
    resolution = catalogue().resolve(book, Printed(book))
    assert resolution.name == dotted_name(IPrinted)
    assert resolution.event_type is None


def test_its_keys_are_the_names_and_patterns_of_all_types_that_fit():
    book = Book()
    made = catalogue(BROAD, NARROW, ('paper.torn', IThing, IHappened))
    keys = made.resolve(book, Printed(book)).keys
    for key in ('book.printed', 'thing.happened', 'paper.torn', '*', 'book.*', '*.printed'):
        assert key in keys
    assert f'{dotted_name(IThing)}|{dotted_name(IObjectEvent)}' in keys
    assert f'{dotted_name(Book)}|{dotted_name(IPrinted)}' in keys
    assert 'other.printed' not in keys


def test_an_interface_given_to_one_object_later_is_noticed():
    made = catalogue(NARROW, ('thing.printed', IThing, IPrinted))
    book = Book()

    class ISpecial(IBook):
        """Special."""

    made.add(EventType('special.printed', ISpecial, IPrinted))
    assert made.resolve(book, Printed(book)).name == 'book.printed'
    alsoProvides(book, ISpecial)
    assert made.resolve(book, Printed(book)).name == 'special.printed'


def test_a_name_is_resolved_to_itself_and_what_is_broader():
    made = catalogue(BROAD, NARROW, ('book.lost', IBook))
    keys = made.resolve_name('book.lost').keys
    assert keys >= {'book.lost', '*', 'book.*', '*.lost'}
    assert 'book.printed' not in keys and 'thing.happened' not in keys
    assert {'book.printed', 'thing.happened'} <= made.resolve_name('book.printed').keys
    with pytest.raises(UnknownEventType, match='book.lost, book.printed, thing.happened'):
        made.resolve_name('book.burnt')
    assert NamedEvent(None, 'book.lost').name == 'book.lost'


def test_an_event_without_an_interface_is_an_object_event_if_there_is_an_object():
    made = catalogue(
        ('book.lost', IBook), ('shop.closed',), ('thing.touched', IThing, IObjectEvent)
    )
    keys = made.resolve_name('book.lost', Book()).keys
    assert {'thing.touched', f'{dotted_name(IThing)}|{dotted_name(IObjectEvent)}'} <= keys
    assert made.resolve_name('shop.closed').keys == {'shop.closed', '*', 'shop.*', '*.closed'}


def test_an_event_that_is_fired_by_name_provides_what_its_type_is_for():
    made = catalogue(NARROW, ('book.lost', IBook))
    book = Book()
    event = NamedEvent.of_type(made.get('book.printed'), book)
    assert IPrinted.providedBy(event) and INamedEvent.providedBy(event)
    assert event.object is book and event.name == 'book.printed'
    assert not IPrinted.providedBy(NamedEvent.of_type(made.get('book.lost'), book))


def test_our_own_events_match_only_types_registered_for_them():
    subscription = object()
    event = SubscriptionCreated(subscription)
    made = catalogue(('any.event', None, IObjectEvent))
    assert made.resolve(subscription, event).keys == frozenset()
    made.add(EventType('subscription.created', None, ISubscriptionCreated))
    resolution = made.resolve(subscription, event)
    assert resolution.keys == {'subscription.created'}
    assert resolution.event_type.about_webhooks
    assert EventType('x.y', ISubscription, IWebhookEvent).about_webhooks


@pytest.mark.parametrize(
    'names', [['book.printed'], ['*'], ['book.*'], ['*.printed'], ['thing.*']]
)
def test_names_and_patterns_that_fit_something_are_fine(names):
    assert catalogue(BROAD, NARROW).check(names + names) == tuple(names)


@pytest.mark.parametrize('name', ['book', 'book.lost', 'b*', 'book.p*', '**', '', 7, None])
def test_others_are_errors_that_list_the_valid_ones(name):
    with pytest.raises(UnknownEventType, match='book.printed, thing.happened'):
        catalogue(BROAD, NARROW).check([name])


def test_an_empty_catalogue_says_so():
    with pytest.raises(UnknownEventType, match='none is registered'):
        catalogue().get('book.printed')


@pytest.mark.parametrize(
    'name', ['book', 'book.', '.printed', 'a b.c', 'a.b\n', 'ä.b', 'a..b', '']
)
def test_a_bad_name_is_refused(name):
    with pytest.raises(ValueError, match='can not be the name of an event type'):
        catalogue((name,))


def test_what_patterns_stand_for_can_be_listed():
    made = catalogue(BROAD, NARROW, ('book.lost',))
    assert [each.name for each in made.offered(['book.*'])] == ['book.lost', 'book.printed']
    assert [each.name for each in made.offered(['*'])] == made.names()


@given(st.lists(st.sampled_from(['a.x', 'a.y', 'b.x', 'b.c.x']), unique=True, min_size=1))
def test_a_pattern_that_is_accepted_stands_for_something(names):
    made = catalogue(*[(name,) for name in names])
    for pattern in ('a.*', 'b.*', 'b.c.*', '*.x', '*.y', '*'):
        try:
            made.check([pattern])
        except UnknownEventType:
            assert made.offered([pattern]) == []
        else:
            assert made.offered([pattern])


def test_events_of_very_many_kinds_do_not_fill_the_memory():
    made = catalogue(BROAD)
    for number in range(5000):
        book = Book()
        alsoProvides(book, type(IThing)(f'I{number}', (IThing,)))
        made.resolve(book, Happened(book))
    assert made.resolve(book, Happened(book)).name == 'thing.happened'
    assert len(made._resolved) <= 2000
