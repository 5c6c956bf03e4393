"""``pwebhooks retry``: sending again what failed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from pyramid_webhooks.resources.attempts import Attempt
from pyramid_webhooks.resources.presenting import attempt_json
from pyramid_webhooks.scripts.application import Application, open_application
from pyramid_webhooks.scripts.naming import attempt_named, event_named, subscription_named
from pyramid_webhooks.scripts.outcome import DONE, NOTHING, UNUSABLE, CommandError
from pyramid_webhooks.scripts.progress import Progress
from pyramid_webhooks.scripts.tables import cell, write, write_json

#: Messages that are sent again in one transaction.
_AT_ONCE = 50


def retry(options: argparse.Namespace) -> int:
    """Let messages be sent again, by whoever sends: each in a new attempt, on a new schedule."""
    if options.failed == bool(options.attempts):
        raise CommandError('Name the attempts, or use --failed for all that failed.', UNUSABLE)
    if not options.failed and (options.event or options.since):
        raise CommandError('--event and --since go with --failed.', UNUSABLE)
    with open_application(options.config) as application:
        subscription = subscription_named(application, options.subscription)
        if options.failed:
            ids = [each.id for each in _failed(subscription, options)]
            if options.event is not None and not ids:
                event_named(application, options.event)
        else:
            ids = list(
                dict.fromkeys(attempt_named(subscription, id).id for id in options.attempts)
            )
        made, refused = _send_again(application, options, ids)
        if options.json:
            write_json({'attempts': made, 'refused': refused})
        else:
            for id, reason in refused.items():
                write(f'{id}: {cell(reason)}')
            many = 'message is' if len(made) == 1 else 'messages are'
            write(f'{len(made)} {many} owed again, now.')
    return DONE if made else NOTHING


def _failed(subscription: Any, options: argparse.Namespace) -> Iterator[Attempt]:
    """The last attempt of each message, if that failed and is wanted."""
    last: dict[str, Attempt] = {}
    for attempt in subscription.attempts.iterate():
        known = last.get(attempt.message_id)
        if known is None or attempt.number >= known.number:
            last[attempt.message_id] = attempt
    for attempt in last.values():
        if (
            attempt.failed()
            and options.event in (None, attempt.event)
            and (options.since is None or attempt.resolved_at >= options.since)
        ):
            yield attempt


def _send_again(
    application: Application, options: argparse.Namespace, ids: list[str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Owe messages again, some in each transaction; the new attempts, and what was refused."""
    made: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    progress = Progress('messages', len(ids))
    for start in range(0, len(ids), _AT_ONCE):

        def some(ids: list[str] = ids[start : start + _AT_ONCE]) -> tuple[Any, Any]:
            return _owe_again(application, options.subscription, ids)

        now_made, now_refused = application.change('retry', some)
        made += now_made
        refused |= now_refused
        if len(ids) > _AT_ONCE:
            progress.tell(min(start + _AT_ONCE, len(ids)))
    return made, refused


def _owe_again(
    application: Application, name: str, ids: list[str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    subscription = subscription_named(application, name)
    made: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for id in ids:
        try:
            attempt = attempt_named(subscription, id)
            made.append(attempt_json(attempt.retry(), application.request))
        except (CommandError, ValueError) as error:
            refused[id] = str(error)
    return made, refused
