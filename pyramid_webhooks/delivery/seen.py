"""What of the intakes has been read: segments, each with the serial that it had then."""

from __future__ import annotations

from collections.abc import Iterable

from pyramid_webhooks.delivery.jobs import Job
from pyramid_webhooks.outbox.root import Outbox
from pyramid_webhooks.outbox.segment import Segment

#: Database name, and oid of a segment.
Place = tuple[str, bytes]
#: A segment, and the serial with which all in it was read.
Read = tuple[Segment, bytes]


class SeenSegments:
    """Remembers with which serial each segment was read to its end."""

    def __init__(self) -> None:
        self._serials: dict[Place, bytes] = {}

    def forget(self) -> None:
        """Nothing has been read."""
        self._serials.clear()

    def forget_some(self, places: Iterable[Place]) -> None:
        """These segments have to be read again."""
        for place in places:
            self._serials.pop(place, None)

    def is_changed(self, home: str, segment: Segment) -> bool:
        """Whether there may be anything in it that was not read."""
        segment._p_activate()
        return self._serials.get((home, segment._p_oid)) != segment._p_serial

    def read_in(self, jobs: Iterable[Job], outboxes: dict[str, Outbox]) -> dict[Place, Read]:
        """Of the segments that ``jobs`` are owed in, those without anything that was not read.

        They are not read again because of what the current transaction takes out of them.

        :returns: what is to be handed to :meth:`accept` when the transaction is over.
        """
        places = {(job.home, job.segment) for job in jobs if job.segment is not None}
        segments = ((place, outboxes[place[0]]._p_jar.get(place[1])) for place in places)
        return {
            place: (segment, segment._p_serial)
            for place, segment in segments
            if self._serials.get(place) == segment._p_serial
        }

    def accept(self, read: dict[Place, Read]) -> None:
        """The transaction in which these were read, or taken from, has been committed."""
        for place, (segment, serial) in read.items():
            # A ghost may have been changed by others at the same time.
            is_ghost = segment._p_changed is None
            self._serials[place] = serial if is_ghost else segment._p_serial
