"""Where subscriptions are looked for."""

import pytest
from pyramid.registry import Registry
from zope.interface import implementer
from zope.interface.interfaces import ObjectEvent
from zope.lifecycleevent import (
    ObjectAddedEvent,
    ObjectModifiedEvent,
    ObjectMovedEvent,
    ObjectRemovedEvent,
)

from pyramid_webhooks.emit.matching import Search, find_matching, managers_for, where_it_stood
from pyramid_webhooks.interfaces import ISubscriptionManager, IWebhookFolder
from tests.company import Employee, Folder, new_company


@implementer(ISubscriptionManager)
class Manager:
    """A manager that matches what it is told."""

    def __init__(self, *subscriptions):
        self.subscriptions = dict(subscriptions)

    def __len__(self):
        return len(self.subscriptions)

    def matching(self, keys):
        for name, key in self.subscriptions.items():
            if key in keys:
                yield name


class Place:
    """A resource that is no folder and in no database."""

    def __init__(self, parent=None, manager=None):
        self.__parent__ = parent
        if manager is not None:
            self.__webhooks__ = manager


@pytest.fixture
def root():
    """The company; each folder has a manager."""
    root = new_company()
    for folder in (root, root['NWS'], root['NWS']['OUN'], root['NWS']['NCA']):
        folder.__webhooks__ = Manager()
    return root


def found(start, context=None, everywhere=None, registry=None):
    return list(managers_for(start, context, everywhere, registry))


def test_the_lineage_of_the_object_is_searched_closest_first(root):
    office = root['NWS']['OUN']
    office['ann'] = ann = Employee('ann')
    expected = [office.__webhooks__, root['NWS'].__webhooks__, root.__webhooks__]
    assert found(ann) == expected
    assert found(office) == expected
    del root['NWS'].__webhooks__
    assert found(ann) == [expected[0], expected[2]]


def test_the_lineage_of_the_context_comes_after_it_and_each_manager_once(root):
    office, other = root['NWS']['OUN'], root['NWS']['NCA']
    everywhere = Manager(('audit', '*'))
    assert found(office, other, everywhere) == [
        office.__webhooks__,
        root['NWS'].__webhooks__,
        root.__webhooks__,
        other.__webhooks__,
        everywhere,
    ]
    assert found(office, office) == found(office) == found(office, root)
    assert found(None, other) == found(other)
    assert found(None, None, Manager()) == []


def test_a_manager_that_is_kept_elsewhere_is_found_by_its_adapter(root):
    class Elsewhere:
        def __init__(self, folder):
            self.folder = folder

        def get_manager(self):
            return kept.get(self.folder.__name__)

    kept = {'OUN': Manager()}
    registry = Registry('elsewhere')
    registry.registerAdapter(Elsewhere, (Folder,), IWebhookFolder)
    assert found(root['NWS']['OUN'], registry=registry) == [kept['OUN']]


def test_what_is_no_manager_does_not_count():
    assert found(Place(Place(manager='a string'))) == []


def test_ancestors_that_go_round_in_a_circle_are_searched_once():
    one = Place(manager=Manager())
    two = Place(one, Manager())
    one.__parent__ = two
    assert found(one) == [one.__webhooks__, two.__webhooks__]
    assert found(one, two) == found(one)
    itself = Place(manager=Manager())
    itself.__parent__ = itself
    assert found(itself) == [itself.__webhooks__]


def test_ancestors_without_end_are_left_at_some_time():
    class Endless:
        __webhooks__ = None

        @property
        def __parent__(self):
            return Endless()

    assert found(Endless()) == []


@pytest.mark.parametrize('parent', ['a string', 7, object()])
def test_a_chain_that_is_broken_ends_there(parent):
    broken = Place(Place(parent), Manager())
    assert found(broken) == [broken.__webhooks__]


def test_an_object_that_was_removed_is_looked_for_where_it_stood(root):
    office = root['NWS']['OUN']
    ann = Employee('ann')
    event = ObjectRemovedEvent(ann, office, 'ann')
    proxy = where_it_stood(ann, event)
    assert proxy.__parent__ is office and proxy.__name__ == 'ann'
    assert (proxy.name, proxy.age) == ('ann', 30)
    assert ann.__parent__ is None and ann.__name__ is None
    assert found(proxy) == found(office)


def test_one_that_still_has_its_place_is_taken_as_it_is(root):
    office, other = root['NWS']['OUN'], root['NWS']['NCA']
    office['ann'] = ann = Employee('ann')
    for event in (
        ObjectRemovedEvent(ann, office, 'ann'),
        ObjectMovedEvent(ann, other, 'ann', office, 'ann'),
        ObjectModifiedEvent(ann),
    ):
        assert where_it_stood(ann, event) is ann


def test_one_that_never_had_a_place_is_taken_as_it_is(root):
    ann = Employee('ann')
    for event in (
        ObjectModifiedEvent(ann),
        ObjectMovedEvent(ann, None, None, None, None),
        ObjectAddedEvent(ann, root, 'ann'),
        ObjectEvent(ann),
    ):
        assert where_it_stood(ann, event) is ann
    assert where_it_stood(None, ObjectEvent(None)) is None


def test_the_finder_asks_each_manager_for_the_keys_in_its_turn():
    managers = [Manager(('a', 'x.y'), ('b', 'z')), Manager(('c', '*'), ('d', 'q'))]
    search = Search(None, None, frozenset(('x.y', '*')), iter(managers), None)
    assert list(find_matching(search)) == ['a', 'c']
