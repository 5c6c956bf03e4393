"""The intake: what commits have just added, as a tree of pages of segments."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from persistent import Persistent

from pyramid_webhooks.outbox.segment import BACKLOG_OWED_LIMIT, Entry, Segment, new_entry_key

PAGE_SIZE = 32
_FIRST_SEGMENTS = 16
_PROBES = 6


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
        if self.pages and random.random() * PAGE_SIZE > 1:
            return random.choice(self.pages).random_segment()
        return random.choice(self.segments)

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
    """The root page. Commits add entries here, and consumers take them out."""

    def __init__(self) -> None:
        super().__init__()
        self.segments = tuple(Segment() for _ in range(_FIRST_SEGMENTS))

    def append(self, entry: Entry) -> Segment:
        """Add an entry, in the current transaction, and return the segment it went to.

        The cost depends neither on the number of entries nor on that of segments. Neighbouring
        commits go to different segments, so that what each writes is little, and they and the
        consumers seldom have to be merged; a backlog goes to a segment of the writer's own.
        """
        segment = self._choose()
        segment.add(new_entry_key(), entry)
        return segment

    def _choose(self) -> Segment:
        segment = random.choice(self.segments)
        if segment.has_room():
            self._v_own = None
            return segment
        segment = getattr(self, '_v_own', None)
        # A segment that was made in an aborted transaction has lost its connection, and a place
        # in a page that others could reach.
        if segment is not None and segment._p_jar is self._p_jar:
            if segment.has_room(BACKLOG_OWED_LIMIT):
                return segment
        for probe in range(2 * _PROBES):
            if probe < _PROBES:
                segment = random.choice(self.segments)
            else:
                segment = self.random_segment()
            if segment.has_room():
                break
        else:
            segment = Segment()
            self.add_segment(segment)
            if self._p_jar is not None:
                self._p_jar.add(segment)
        self._v_own = segment
        return segment
