"""A simple model of who is owed what: names and lists, and nothing of the package."""

import copy
import dataclasses

#: Event types: name -> (kind of object, verb); those without a verb are fired by name only.
TYPES = {
    'employee.added': ('employee', 'added'),
    'employee.modified': ('employee', 'modified'),
    'employee.removed': ('employee', 'removed'),
    'employee.moved': ('employee', 'moved'),
    'employee.promoted': ('employee', 'promoted'),
    'boss.moved': ('boss', 'moved'),
    'employee.greeted': ('employee', None),
    'company.closed': (None, None),
}
#: What a thing of some kind also is, and an event of some verb, narrowest first.
KINDS = {'boss': ('boss', 'employee', 'person'), 'employee': ('employee', 'person')}
VERBS = {'added': ('added', 'moved'), 'removed': ('removed', 'moved')}
INTERFACES = {
    'added': 'zope.lifecycleevent.interfaces.IObjectAddedEvent',
    'modified': 'zope.lifecycleevent.interfaces.IObjectModifiedEvent',
    'moved': 'zope.lifecycleevent.interfaces.IObjectMovedEvent',
    'removed': 'zope.lifecycleevent.interfaces.IObjectRemovedEvent',
}


@dataclasses.dataclass
class Folder:
    """A folder; ``removed`` is the number of the commit that took it away."""

    parent: str | None
    viewers: tuple[str, ...]
    removed: int | None = None
    fresh: bool = True


@dataclasses.dataclass
class Person:
    """An employee; ``fresh`` means that no commit has stored it."""

    folder: str
    kind: str
    age: int
    gone: bool = False
    fresh: bool = True


@dataclasses.dataclass
class Subscription:
    """``wanted`` is a tuple of names and patterns, or a pair (kind, verb or None for any)."""

    folder: str | None
    wanted: tuple
    owner: str | None
    active: bool = True
    removed: bool = False


@dataclasses.dataclass
class Event:
    """One that was fired: ``verdicts`` are those on the subscriptions that it met."""

    about: str | None
    name: str
    verdicts: dict[str, bool]
    coalescible: bool
    data: dict | None
    removal: bool = False


@dataclasses.dataclass
class Delivery:
    """What is to arrive, between the places ``first`` and ``last`` among those of its commit."""

    commit: int
    first: int
    last: int
    content: tuple

    def may_follow(self, other):
        """Whether it may arrive after ``other``."""
        return other.commit < self.commit or (
            other.commit == self.commit and other.first <= self.last
        )


def _plain(kind, table):
    return table.get(kind, (kind,))


def types_for(kind, verb):
    """The event types that include such an event, narrowest first; the object counts first."""
    found = {pair: name for name, pair in TYPES.items() if pair[1] is not None}
    pairs = [(one, other) for one in _plain(kind, KINDS) for other in _plain(verb, VERBS)]
    return [found[pair] for pair in pairs if pair in found]


def matches(wanted, names, kind, verb):
    """Whether a subscription to ``wanted`` is for such an event, on a thing of this kind."""
    if isinstance(wanted, list):
        patterns = {'*', *names}
        for name in names:
            noun, _, last = name.rpartition('.')
            patterns |= {f'{noun}.*', f'*.{last}'}
        return bool(names) and not patterns.isdisjoint(wanted)
    if kind is None:
        return False
    for_, when = wanted
    return for_ in _plain(kind, KINDS) and (when is None or when in _plain(verb, VERBS))


class State:
    """What a transaction may change."""

    def __init__(self):
        self.folders = {
            '': Folder(None, ('president',)),
            'NWS': Folder('', ('head',)),
            'OUN': Folder('NWS', ('manager',)),
            'NCA': Folder('NWS', ('other_manager',)),
        }
        self.people = {}
        self.subscriptions = {}
        self.happened = []

    def lineage(self, folder):
        while folder is not None:
            yield folder
            folder = self.folders[folder].parent

    def is_attached(self, folder):
        return all(self.folders[each].removed is None for each in self.lineage(folder))

    def path(self, folder):
        return '/' + '/'.join(reversed([each for each in self.lineage(folder) if each]))

    def reachable_folders(self):
        return [name for name in self.folders if self.is_attached(name)]

    def reachable_people(self):
        return [
            name
            for name, each in self.people.items()
            if not each.gone and self.is_attached(each.folder)
        ]

    def reachable_subscriptions(self):
        return [
            label
            for label, each in self.subscriptions.items()
            if each.folder is not None and not each.removed and self.is_attached(each.folder)
        ]


class Model:
    """Who is owed what, over transactions and restarts.

    :ivar arrived: label -> the deliveries that have arrived, in order.
    """

    def __init__(self, coalesce):
        self.coalesce = coalesce
        self.committed = State()
        for folder in self.committed.folders.values():
            folder.fresh = False
        self.state = copy.deepcopy(self.committed)
        self.owed = {}
        self.arrived = {}
        self.commits = 0
        self.running = True

    # -- transactions

    def begin(self):
        self.state = copy.deepcopy(self.committed)
        self.state.happened = []

    def savepoint(self):
        return copy.deepcopy(self.state)

    def roll_back(self, savepoint):
        self.state = copy.deepcopy(savepoint)

    def commit(self):
        for label, delivery in self._owe(self.state):
            self.owed.setdefault(label, []).append(delivery)
        for each in (*self.state.people.values(), *self.state.folders.values()):
            each.fresh = False
        self.committed = self.state
        self.commits += 1
        self.flow()

    # -- events

    def fire(self, about, kind, verb, place, context, name=None, data=None, owner=None):
        """An event on a thing that stands in the folder ``place`` (None: on no thing).

        :param context: the folder that is the context of the request, or None.
        :param name: of an event that is fired by name.
        :param data: an explicit payload.
        """
        names = types_for(kind, verb) if name is None else [name]
        resolved = names[0] if names else INTERFACES[verb]
        scope = dict.fromkeys(self.state.lineage(place))
        scope.update(dict.fromkeys(self.state.lineage(context)))
        judged = context if place is None else place
        removal = verb == 'removed'
        coalescible = self.coalesce and data is None
        verdicts = {}
        for label, each in self.state.subscriptions.items():
            met = each.active and not each.removed
            met = met and (each.folder is None or each.folder in scope)
            met = met and (owner is None or each.owner == owner)
            if met and matches(each.wanted, names, kind, verb):
                verdicts[label] = each.owner is None or any(
                    each.owner in self.state.folders[folder].viewers
                    for folder in self.state.lineage(judged)
                )
        if data is None and (removal or not self.coalesce):
            data = self.represent(about)
        self.state.happened.append(Event(about, resolved, verdicts, coalescible, data, removal))

    def represent(self, about):
        """What is sent for a thing, as it is now."""
        person = self.state.people.get(about)
        return {'name': about} if person is None else {'name': about, 'age': person.age}

    def _owe(self, state):
        """The deliveries that the transaction owes, as pairs (label, delivery)."""
        kept = {}
        for place, event in enumerate(state.happened):
            if not event.coalescible:
                for label, verdict in event.verdicts.items():
                    if verdict:
                        kept[label, place] = (place, place, event)
                continue
            about = event.about
            if event.removal and (state.people.get(about) or state.folders[about]).fresh:
                for key in [key for key in kept if key[1:2] == (about,)]:
                    del kept[key]
                continue
            for key, (first, _, earlier) in kept.items():
                if key[1:] == (about, event.name):
                    kept[key] = (first, place, earlier)
            for label, verdict in event.verdicts.items():
                kept.pop((label, about, event.name), None)
                if verdict:
                    kept[label, about, event.name] = (place, place, event)
        for key, (first, last, event) in kept.items():
            data = self.represent(event.about) if event.data is None else event.data
            yield key[0], Delivery(self.commits, first, last, (event.name, data))

    # -- deliveries

    def flow(self):
        """Let arrive what can, when something sends."""
        if not self.running:
            return
        for label, owed in self.owed.items():
            subscription = self.committed.subscriptions[label]
            arrived = self.arrived.setdefault(label, [])
            if subscription.removed:
                owed.clear()
            elif subscription.folder is not None and not self.committed.is_attached(
                subscription.folder
            ):
                number = self._detached_by(subscription.folder)
                if subscription.active:
                    arrived += [each for each in owed if each.commit == number]
                owed.clear()
            elif subscription.active:
                arrived += owed
                owed.clear()

    def _detached_by(self, folder):
        numbers = [self.committed.folders[each].removed for each in self.committed.lineage(folder)]
        return min(number for number in numbers if number is not None)
