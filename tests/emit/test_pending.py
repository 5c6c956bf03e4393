"""What several events in one transaction come to."""

from hypothesis import given
from hypothesis import strategies as st
from zope.interface.interfaces import ObjectEvent
from zope.lifecycleevent import ObjectAddedEvent, ObjectRemovedEvent

from pyramid_webhooks.emit.pending import Occurrence, coalesce
from tests.company import Folder

OBJECTS = 3
NAMES = ('a.changed', 'a.moved')
RECIPIENTS = 'xyz'


class Thing:
    """Something that is in no database."""

    __parent__ = __name__ = None


class Recipient:
    """Somebody who gets events."""

    def __init__(self, name):
        self.name = name


#: Per recipient: gets it, may not get it, or was not judged.
VERDICTS = st.tuples(*(st.sampled_from([True, False, None]) for _ in RECIPIENTS))
EVENT = st.tuples(st.integers(0, OBJECTS - 1), st.sampled_from(NAMES), VERDICTS)


def occur(obj, name, verdicts, recipients, event=ObjectEvent, rendered=None, coalescible=True):
    pairs = list(zip(recipients, verdicts, strict=True))
    return Occurrence(
        name,
        obj,
        event(obj),
        None,
        [(recipient, '') for recipient, verdict in pairs if verdict],
        0.0,
        rendered,
        coalescible,
        [recipient for recipient, verdict in pairs if verdict is False],
    )


def removed(obj):
    return ObjectRemovedEvent(obj, Folder(), 'thing')


def added(obj):
    return ObjectAddedEvent(obj, Folder(), 'thing')


@given(st.lists(EVENT, max_size=12))
def test_one_of_each_object_and_name_is_left_and_goes_to_whom_the_last_verdict_lets_have_it(
    events,
):
    objects = [Thing() for _ in range(OBJECTS)]
    recipients = [Recipient(name) for name in RECIPIENTS]
    last = {}
    for number, name, verdicts in events:
        wanted = last.setdefault((number, name), {})
        last[number, name] = wanted
        for recipient, verdict in zip(RECIPIENTS, verdicts, strict=True):
            if verdict is not None:
                wanted[recipient] = verdict
    expected = {}
    for key, wanted in last.items():
        names = {recipient for recipient, verdict in wanted.items() if verdict}
        if names:
            expected[key] = names

    left = coalesce([occur(objects[n], name, v, recipients) for n, name, v in events])

    found = {}
    for each in left:
        key = objects.index(each.obj), each.name
        assert key not in found
        found[key] = {recipient.name for recipient, _ in each.recipients}
        assert len(found[key]) == len(each.recipients)
    assert found == expected


@given(st.lists(EVENT, max_size=12))
def test_the_order_is_that_of_the_last_of_each(events):
    objects = [Thing() for _ in range(OBJECTS)]
    recipients = [Recipient('x')]
    occurrences = [occur(objects[n], name, [True], recipients) for n, name, _ in events]
    left = coalesce(list(occurrences))
    positions = [occurrences.index(each) for each in left]
    assert positions == sorted(positions)
    keys = [(n, name) for n, name, _ in events]
    assert [keys[position] for position in positions] == list(
        reversed(dict.fromkeys(reversed(keys)))
    )


@given(st.lists(st.tuples(EVENT, st.booleans()), max_size=12))
def test_what_must_not_be_coalesced_is_left_as_it_is(events):
    objects = [Thing() for _ in range(OBJECTS)]
    recipients = [Recipient(name) for name in RECIPIENTS]
    occurrences = [
        occur(objects[n], name, v, recipients, coalescible=coalescible)
        for (n, name, v), coalescible in events
    ]
    fixed = [(each, list(each.recipients)) for each in occurrences if not each.coalescible]
    left = coalesce(occurrences)
    kept = [(each, list(each.recipients)) for each in left if not each.coalescible]
    assert kept == [(each, who) for each, who in fixed if who]


@given(st.lists(st.sampled_from(['add', 'change', 'remove']), max_size=10), st.booleans())
def test_of_something_new_only_what_came_after_its_last_removal_is_left(events, noise):
    thing, other, who = Thing(), Thing(), [Recipient('x')]
    kinds = {'add': added, 'change': ObjectEvent, 'remove': removed}
    occurrences = [occur(thing, 'thing.add', [True], who, added)]
    for kind in events:
        rendered = ({}, {}) if kind == 'remove' else None
        occurrences.append(occur(thing, f'thing.{kind}', [True], who, kinds[kind], rendered))
        if noise:
            occurrences.append(occur(other, 'other.changed', [True], who))
    left = [each.name for each in coalesce(occurrences) if each.obj is thing]
    names = ['add', *events]
    since = len(names) - names[::-1].index('remove') if 'remove' in names else 0
    assert sorted(left) == sorted({f'thing.{kind}' for kind in names[since:]})


@given(st.lists(VERDICTS, min_size=1, max_size=8))
def test_nobody_who_was_to_hear_of_a_removal_is_forgotten_and_nobody_hears_twice(verdicts):
    """What is removed is rendered when it happens, so that there may be several of one name."""
    thing, recipients = Thing(), [Recipient(name) for name in RECIPIENTS]
    left = coalesce(
        [occur(thing, 'thing.removed', each, recipients, removed, ({}, {})) for each in verdicts]
    )
    heard = [recipient.name for each in left for recipient, _ in each.recipients]
    last = {}
    for each in verdicts:
        last.update(
            (name, verdict)
            for name, verdict in zip(RECIPIENTS, each, strict=True)
            if verdict is not None
        )
    assert sorted(heard) == sorted(name for name, verdict in last.items() if verdict)
