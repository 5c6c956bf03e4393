"""Telling the log what keeps the engine from working, without filling the disk with it."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)

#: What lasts, or comes again and again, is told of once in so many seconds.
_REMINDER_SECONDS = 600.0
_MOST_KINDS = 10


class Trouble:
    """What the engine is in while it can't read or write the database, say, and tries again.

    Each kind is told of once, with its traceback; then seldom; and once more when it is over.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._told = False
        self._told_at = 0.0
        self._kinds: set[str] = set()

    def tell(self, error: Exception) -> None:
        """Something has failed, and will be tried again."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        reminding = now - self._told_at >= _REMINDER_SECONDS
        kind = f'{type(error).__name__}: {error}'
        if kind not in self._kinds and (reminding or len(self._kinds) < _MOST_KINDS):
            logger.error(
                'Sending webhooks is in trouble. It is tried again every second; nothing that is '
                'owed is lost.',
                exc_info=error,
            )
        elif reminding:
            seconds = now - self._since
            logger.error('Sending webhooks is still in trouble, for %.0f s: %s', seconds, kind)
        else:
            return
        self._told, self._told_at = True, now
        self._kinds = {kind} if reminding else self._kinds | {kind}

    def end(self) -> None:
        """Everything has been done that there was to do."""
        if self._since is not None and self._told:
            seconds = time.monotonic() - self._since
            logger.warning('Sending webhooks works again, after %.0f s of trouble.', seconds)
        self._since, self._told = None, False
