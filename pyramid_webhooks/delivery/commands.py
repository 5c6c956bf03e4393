"""Commands in the intake: a subscription was changed, or something is to be done for it."""

from __future__ import annotations

from collections.abc import Iterable

from pyramid_webhooks.delivery.holding import Holding, View
from pyramid_webhooks.delivery.parking import Parking
from pyramid_webhooks.delivery.preparing import ACTIVE, INACTIVE
from pyramid_webhooks.delivery.recovering import recover
from pyramid_webhooks.outbox.owed import ACTIVATED, CHANGED, PRECONDITION, RECOVER
from pyramid_webhooks.outbox.recovery import Span
from pyramid_webhooks.outbox.root import partition_of
from pyramid_webhooks.outbox.schedule import Recipient
from pyramid_webhooks.outbox.segment import Entry


class Commands:
    """Does what the entries without a message say.

    What a subscription is now counts, not what the command was: commands may be read in any order.
    """

    def __init__(self, holding: Holding, parking: Parking):
        self._holding = holding
        self._parking = parking

    def obey(self, view: View, home: str, entry: Entry, oids: Iterable[bytes]) -> bool:
        """Do what ``entry`` says for the subscriptions ``oids``, in the current transaction.

        :param home: name of the database that the entry is in.
        :returns: False when there is more to be done in the next one, for the same entry.
        """
        command, *arguments = entry.details
        for oid in oids:
            recipient = (entry.database_in(home), oid)
            if command == PRECONDITION:
                self._count_failures(view, recipient, *arguments)
            elif command == RECOVER:
                if not recover(view, self._holding, recipient, Span._make(arguments)):
                    return False
            elif not self._follow(view, recipient, command):
                return False
        return True

    def _follow(self, view: View, recipient: Recipient, command: str) -> bool:
        """Do what has to be done after a change of a subscription; whether that was all."""
        view.touched.add(partition_of(recipient))
        state, obj = view.recipients.find(recipient)
        if command == CHANGED and state == ACTIVE:
            view.changed.append(recipient)
            return True
        if state == ACTIVE and command == ACTIVATED:
            obj.log.reset_health()
            self._holding.relearn(recipient, obj)
            self._parking.hurry([recipient])
        elif state != ACTIVE:
            view.stopped.append(recipient)
        # The outboxes of other databases may owe it something, too.
        for owing in view.outboxes:
            if state == ACTIVE:
                view.schedule_of(owing, recipient).release(recipient)
                if command == ACTIVATED:
                    self._resume(view, owing, recipient)
            elif state == INACTIVE:
                view.hold(owing, recipient)
            elif not view.drop_queue(owing, recipient):
                return False
        return True

    def _resume(self, view: View, home: str, recipient: Recipient) -> None:
        schedule = view.schedule_of(home, recipient)
        schedule.resume(recipient, lambda key: (home, key, recipient) in self._holding)

    @staticmethod
    def _count_failures(view: View, recipient: Recipient, count: int) -> None:
        state, obj = view.recipients.find(recipient)
        if state == ACTIVE:
            obj.log.preconditions_failed += count
            view.suspects.append(recipient)
        view.touched.add(partition_of(recipient))
