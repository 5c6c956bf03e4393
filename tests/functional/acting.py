"""What a program does in one transaction: with the real things, and with the model."""

import itertools

import zope.event
from pyramid.traversal import find_resource
from zope.interface import implementer
from zope.lifecycleevent import (
    IObjectMovedEvent,
    ObjectAddedEvent,
    ObjectModifiedEvent,
    ObjectMovedEvent,
    ObjectRemovedEvent,
)

from pyramid_webhooks import manager_of, subscribe, unsubscribe_owner
from tests import company
from tests.company import Employee, IEmployee, IPerson, Promoted
from tests.functional import owing


class IBoss(IEmployee):
    """Somebody who has a say."""


@implementer(IBoss)
class Boss(Employee):
    """Somebody who has a say."""


class Office(company.Folder):
    """A folder that can be sent."""

    def __json__(self, request):
        return {'name': self.__name__}


CLASSES = {'employee': Employee, 'boss': Boss}
FOR = {'person': IPerson, 'employee': IEmployee, 'boss': Boss, 'folder': company.Folder}
WHEN = {
    None: None,
    'modified': company.IObjectModifiedEvent,
    'moved': IObjectMovedEvent,
}


class Actor:
    """Does what a program says; numbers choose among what there is.

    :param model: that of who is owed what.
    :param url: callable (label) -> the URL that a subscription is for.
    :ivar ids: label -> id of the subscription.
    """

    def __init__(self, model, url):
        self._model = model
        self._url = url
        self.ids = {}
        self._names = itertools.count()

    def perform(self, actions, root, notify, context=None, request=None):
        """Do these things in the transaction of ``root``.

        :param context: the name of the folder that is the context of ``request``.
        """
        self._root, self._notify = root, notify
        self._context, self._request = context, request
        self._savepoints = []
        for name, *arguments in actions:
            getattr(self, name)(*arguments)

    # -- choosing, and finding

    @property
    def _state(self):
        return self._model.state

    @staticmethod
    def _choose(names, number):
        return names[number % len(names)] if names else None

    def _folder(self, name):
        return find_resource(self._root, self._state.path(name))

    def _person(self, name):
        return self._folder(self._state.people[name].folder)[name]

    def _fire(self, event, way):
        if way in ('one', 'twice'):
            self._notify(event)
        if way in ('two', 'twice'):
            self._notify(event, event.object)
        if way == 'zope':
            zope.event.notify(event)

    def _expect(self, name, verb):
        person = self._state.people[name]
        self._model.fire(name, person.kind, verb, person.folder, self._context)

    # -- actions on subscriptions

    def subscribe(self, number, wanted, owner):
        folder = self._choose(self._state.reachable_folders(), number)
        resource, keywords = self._folder(folder), {}
        label = f's{next(self._names)}'
        if wanted == 'resource':
            name = self._choose(self._state.reachable_people(), number)
            wanted = ('folder', None)
            if name is not None:
                person = self._state.people[name]
                resource, folder, wanted = self._person(name), person.folder, (person.kind, None)
            elif folder == '':
                keywords = {'for_': company.Folder}
        elif isinstance(wanted, list):
            keywords = {'events': wanted}
        else:
            keywords = {'for_': FOR[wanted[0]], 'when': WHEN[wanted[1]]}
        made = subscribe(resource, self._url(label), owner=owner, **keywords)
        self.ids[label] = made.id
        self._state.subscriptions[label] = owing.Subscription(folder, wanted, owner)

    def _chosen_subscription(self, number):
        label = self._choose(self._state.reachable_subscriptions(), number)
        if label is None:
            return None, None, None
        expected = self._state.subscriptions[label]
        return expected, manager_of(self._folder(expected.folder)), self.ids[label]

    def activate(self, number):
        expected, manager, id = self._chosen_subscription(number)
        if expected is not None:
            assert manager.activate(manager[id]) is not expected.active
            expected.active = True

    def deactivate(self, number):
        expected, manager, id = self._chosen_subscription(number)
        if expected is not None:
            assert manager.deactivate(manager[id]) is expected.active
            expected.active = False

    def unsubscribe(self, number):
        expected, manager, id = self._chosen_subscription(number)
        if expected is not None:
            del manager[id]
            expected.removed = True

    def leave(self, owner):
        unsubscribe_owner(owner, self._root)
        for each in self._state.subscriptions.values():
            if each.owner == owner:
                each.removed = True

    # -- actions on people

    def add(self, number, kind, way):
        folder = self._choose(self._state.reachable_folders(), number)
        name = f'e{next(self._names)}'
        parent = self._folder(folder)
        person = parent[name] = CLASSES[kind](name, age=number)
        self._state.people[name] = owing.Person(folder, kind, number)
        self._fire(ObjectAddedEvent(person, parent, name), way)
        self._expect(name, 'added')

    def modify(self, number, way):
        name = self._choose(self._state.reachable_people(), number)
        if name is not None:
            person = self._person(name)
            person.age += 1
            self._state.people[name].age += 1
            self._fire(ObjectModifiedEvent(person), way)
            self._expect(name, 'modified')

    def promote(self, number, way):
        name = self._choose(self._state.reachable_people(), number)
        if name is not None:
            self._fire(Promoted(self._person(name)), way)
            self._expect(name, 'promoted')

    def remove(self, number, orphaned, way):
        name = self._choose(self._state.reachable_people(), number)
        if name is not None:
            person = self._person(name)
            parent = person.__parent__
            del parent[name]
            if orphaned:
                person.__parent__ = person.__name__ = None
            self._fire(ObjectRemovedEvent(person, parent, name), way)
            self._expect(name, 'removed')
            self._state.people[name].gone = True

    def move(self, number, other, way):
        name = self._choose(self._state.reachable_people(), number)
        target = self._choose(self._state.reachable_folders(), other)
        if name is not None and target != self._state.people[name].folder:
            person = self._person(name)
            old, new = person.__parent__, self._folder(target)
            del old[name]
            new[name] = person
            self._state.people[name].folder = target
            self._fire(ObjectMovedEvent(person, old, name, new, name), way)
            self._expect(name, 'moved')

    def greet(self, number, explicitly):
        name = self._choose(self._state.reachable_people(), number)
        if name is None or self._request is None:
            return
        keywords = {'payload': {'hello': name}} if explicitly else {}
        self._request.webhooks.notify('employee.greeted', self._person(name), **keywords)
        person = self._state.people[name]
        self._model.fire(
            name,
            person.kind,
            None,
            person.folder,
            self._context,
            name='employee.greeted',
            data=keywords.get('payload'),
        )

    def close(self, number, owner):
        if self._request is not None:
            data = {'number': number}
            self._request.webhooks.notify('company.closed', payload=data, owner=owner)
            self._model.fire(
                None,
                None,
                None,
                None,
                self._context,
                name='company.closed',
                data=data,
                owner=owner,
            )

    # -- actions on folders

    def add_folder(self, number, viewer):
        parent = self._choose(self._state.reachable_folders(), number)
        name = f'f{next(self._names)}'
        folder, made = self._folder(parent), Office([viewer])
        folder[name] = made
        self._state.folders[name] = owing.Folder(parent, (viewer,))
        self._notify(ObjectAddedEvent(made, folder, name))
        self._model.fire(name, 'folder', 'added', name, self._context)

    def _chosen_folder(self, number):
        return self._choose([each for each in self._state.reachable_folders() if each], number)

    def modify_folder(self, number, way):
        name = self._chosen_folder(number)
        if name is not None:
            self._fire(ObjectModifiedEvent(self._folder(name)), way)
            self._model.fire(name, 'folder', 'modified', name, self._context)

    def move_folder(self, number, other, way):
        name = self._chosen_folder(number)
        target = self._choose(self._state.reachable_folders(), other)
        if name is None or name in self._state.lineage(target):
            return
        if self._state.folders[name].parent == target:
            return
        folder, new = self._folder(name), self._folder(target)
        old = folder.__parent__
        del old[name]
        new[name] = folder
        self._state.folders[name].parent = target
        self._fire(ObjectMovedEvent(folder, old, name, new, name), way)
        self._model.fire(name, 'folder', 'moved', name, self._context)

    def remove_folder(self, number, silently):
        name = self._chosen_folder(number)
        if name is None:
            return
        folder = self._folder(name)
        parent = folder.__parent__
        del parent[name]
        if not silently:
            self._notify(ObjectRemovedEvent(folder, parent, name))
            self._model.fire(name, 'folder', 'removed', name, self._context)
        self._state.folders[name].removed = self._model.commits

    # -- savepoints

    def savepoint(self):
        manager = self._root._p_jar.transaction_manager
        self._savepoints.append((manager.savepoint(), self._model.savepoint()))

    def roll_back(self, number):
        if self._savepoints:
            number %= len(self._savepoints)
            real, expected = self._savepoints[number]
            real.rollback()
            self._model.roll_back(expected)
            del self._savepoints[number + 1 :]
