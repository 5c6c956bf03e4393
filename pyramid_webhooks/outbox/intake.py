"""The intake: what commits have just added, as a tree of pages of segments."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from persistent import Persistent

from pyramid_webhooks.outbox.segment import (
    BACKLOG_ENTRY_LIMIT,
    BACKLOG_OWED_LIMIT,
    ENTRY_LIMIT,
    Entry,
    Segment,
    new_entry_key,
)

PAGE_SIZE = 16
_FIRST_SEGMENTS = 16
_PROBES = 8
#: Entries in a row that a connection adds to the same segment, as long as nobody else changes it:
#: to go on with one costs less than to read another.
_IN_A_ROW = 4
#: And as long as it owes fewer ids than so many: to write what is large again costs more.
_SMALL_OWED = 16


class Page(Persistent):
    """Some segments, and further pages. Both are only ever added, and merge by union."""

    def __init__(self) -> None:
        self.segments: tuple[Segment, ...] = ()
        self.pages: tuple[Page, ...] = ()

    def all_segments(self) -> Iterator[Segment]:
        """Yield every segment, those of this page first."""
        yield from self.segments
        for page in self.pages:
            yield from page.all_segments()

    def add_segment(self, segment: Segment) -> None:
        """Put a new segment where there is place for it."""
        if len(self.segments) < PAGE_SIZE:
            self.segments += (segment,)
        elif len(self.pages) < PAGE_SIZE:
            page = Page()
            page.segments = (segment,)
            self.pages += (page,)
        else:
            random.choice(self.pages).add_segment(segment)

    def random_segment(self) -> Segment:
        """One of the segments at or below this page."""
        choice = random.randrange(len(self.segments) + len(self.pages))
        if choice < len(self.segments):
            return self.segments[choice]
        return self.pages[choice - len(self.segments)].random_segment()

    def _p_resolveConflict(
        self, old: dict[str, Any], committed: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            'segments': _union(old['segments'], committed['segments'], new['segments']),
            'pages': _union(old['pages'], committed['pages'], new['pages']),
        }


def _union(old: tuple[Any, ...], committed: tuple[Any, ...], new: tuple[Any, ...]) -> Any:
    known = {reference.oid for reference in old}
    return committed + tuple(each for each in new if each.oid not in known)


class Intake(Page):
    """The root page. Commits add entries here, and consumers take them out.

    A connection that writes remembers, for itself, ``_v_turn``: how many of the first segments it
    has gone on to, and how many more entries in a row go to the last of them; ``_v_own``: in
    a backlog, the segment that it adds to; and ``_v_probes``: at how many it looks to find one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.segments = tuple(Segment() for _ in range(_FIRST_SEGMENTS))

    def append(self, entry: Entry) -> Segment:
        """Add an entry, in the current transaction, and return the segment it went to.

        The cost depends neither on the number of entries nor on that of segments. A connection
        goes round the segments, a few entries to each, so that what a commit writes is little,
        and it is seldom to be merged with what other connections add or consumers take. A backlog
        goes to a segment of the writer's own.
        """
        segment = self._choose()
        segment.add(new_entry_key(), entry)
        return segment

    def _choose(self) -> Segment:
        own = getattr(self, '_v_own', None)
        # One that was made in an aborted transaction has lost its connection, and a place in a
        # page that others could reach. One that was rolled back may be a ghost of what was never
        # stored; as a rule, a ghost is what others have changed.
        if own is not None and (own._p_jar is not self._p_jar or own._p_changed is None):
            own = None
        if own is not None and own._p_changed and _takes_more(own):
            return own  # The transaction writes it anyway.
        # Once the first ones have room again, readers who are told nothing look nowhere else.
        segment = self._next()
        if segment.has_room():
            self._v_own = None
            return segment
        if own is None or not _takes_more(own):
            own = self._v_own = self._probe() or self._new_segment()
        return own

    def random_segment(self) -> Segment:
        """One of the segments, but not of the first ones where there are others."""
        if self.pages:
            return random.choice(self.pages).random_segment()
        return random.choice(self.segments)

    def _probe(self) -> Segment | None:
        """A segment with room, if one is found among a few that are chosen at random.

        To look at one may mean to read it: while none is found, it is at fewer each time.
        """
        probes = getattr(self, '_v_probes', _PROBES)
        for probe in range(probes):
            segment = random.choice(self.segments) if probe % 2 else self.random_segment()
            if segment.has_room(entry_limit=BACKLOG_ENTRY_LIMIT):
                self._v_probes = _PROBES
                return segment
        self._v_probes = max(1, probes // 2)
        return None

    def _new_segment(self) -> Segment:
        segment = Segment()
        self.add_segment(segment)
        if self._p_jar is not None:
            self._p_jar.add(segment)
        return segment

    def _next(self) -> Segment:
        """That of the first segments whose turn it is."""
        if getattr(self, '_v_turn', None) is None:
            # Each connection begins somewhere else.
            self._v_turn = (random.randrange(len(self.segments)), _IN_A_ROW)
        turn, left = self._v_turn
        segment = self.segments[turn % len(self.segments)]
        if segment._p_changed and segment.has_room():
            return segment  # The transaction writes it anyway.
        if segment._p_changed is None:
            # Those who have met here are not to go on to the same one again.
            turn, left = turn + random.randrange(1, len(self.segments)), _IN_A_ROW
        elif not left or not segment.has_room(_SMALL_OWED):
            turn, left = turn + 1, _IN_A_ROW
        segment = self.segments[turn % len(self.segments)]
        self._v_turn = (turn, left - 1)
        return segment


def _takes_more(segment: Segment) -> bool:
    """Whether another entry may be added to one that a connection has for itself in a backlog."""
    # If the transaction writes it anyway, it takes as many as it may have.
    entry_limit = ENTRY_LIMIT if segment._p_changed else BACKLOG_ENTRY_LIMIT
    return segment.has_room(BACKLOG_OWED_LIMIT, entry_limit)
