"""``pwebhooks list``, ``show`` and ``attempts``."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from pyramid.traversal import resource_path

from pyramid_webhooks.resources.directory import directories
from pyramid_webhooks.resources.lineage import is_attached
from pyramid_webhooks.resources.presenting import attempt_json, subscription_json
from pyramid_webhooks.resources.traversal import global_subscriptions
from pyramid_webhooks.scripts.application import Application, open_application
from pyramid_webhooks.scripts.naming import (
    all_global,
    attempt_named,
    event_named,
    manager_named,
    subscription_named,
)
from pyramid_webhooks.scripts.outcome import DONE, CommandError
from pyramid_webhooks.scripts.tables import (
    cell,
    visible,
    write,
    write_fields,
    write_json,
    write_table,
)

#: Characters of a body that are shown to people.
_SHOWN = 4000


def list_subscriptions(options: argparse.Namespace) -> int:
    """List subscriptions: of one folder, or all."""
    with open_application(options.config) as application:
        accepts = _filter(application, options)
        found = filter(accepts, _after(_subscriptions(application, options.path), options.after))
        page, following = _page(found, options.limit)
        if options.json:
            shown = [subscription_json(each, application.request) for each in page]
            write_json({'subscriptions': shown, 'next': following})
        else:
            write_table(
                ('id', 'active', 'kind', 'folder', 'owner', 'events', 'to'), map(_row, page)
            )
            _tell_of_more(following)
    return DONE


def show(options: argparse.Namespace) -> int:
    """Show a subscription, or one of its attempts."""
    with open_application(options.config) as application:
        subscription = subscription_named(application, options.subscription)
        if options.attempt is None:
            shown = subscription_json(subscription, application.request)
        else:
            attempt = attempt_named(subscription, options.attempt)
            shown = attempt_json(attempt, application.request)
        if options.json:
            write_json(shown)
        else:
            _show_fields(shown)
    return DONE


def list_attempts(options: argparse.Namespace) -> int:
    """List attempts, oldest first, pending ones included."""
    with open_application(options.config) as application:
        subscription = subscription_named(application, options.subscription)
        try:
            page, following = subscription.attempts.page(
                options.limit, options.after, options.status, options.event
            )
        except ValueError as error:
            raise CommandError(f'--after: {error}.') from None
        if options.event is not None and not page:
            # Those of a type that was taken out of the application since then are shown.
            event_named(application, options.event)
        if options.json:
            shown = [attempt_json(each, application.request) for each in page]
            write_json({'attempts': shown, 'next': following})
        else:
            titles = ('id', 'event', 'status', 'created', 'due', 'resolved', 'message')
            write_table(titles, map(_attempt_row, page))
            _tell_of_more(following)
    return DONE


def _subscriptions(application: Application, path: str | None) -> Iterator[Any]:
    if path is not None:
        manager = manager_named(application, path)
        yield from global_subscriptions(manager)
        yield from manager.values()
        return
    yield from all_global(application)
    for directory in directories(application.connection):
        yield from filter(is_attached, directory)


def _filter(application: Application, options: argparse.Namespace) -> Callable[[Any], bool]:
    keys: frozenset[str] | None = None
    if options.event is not None:
        keys = event_named(application, options.event).keys

    def accepts(subscription: Any) -> bool:
        return (
            (options.active is None or subscription.active == options.active)
            and (options.owner is None or subscription.owner == options.owner)
            and (keys is None or not keys.isdisjoint(subscription.wanted.keys()))
        )

    return accepts


def _after(subscriptions: Iterator[Any], after: str | None) -> Iterator[Any]:
    if after is None:
        return subscriptions
    for subscription in subscriptions:
        if subscription.id == after:
            return subscriptions
    raise CommandError(f'--after: There is no subscription {after!r} here.')


def _page(found: Iterator[Any], limit: int) -> tuple[list[Any], str | None]:
    page = list(itertools.islice(found, limit + 1))
    return page[:limit], page[limit - 1].id if len(page) > limit else None


def _tell_of_more(following: str | None) -> None:
    if following is not None:
        write(f'There are more: --after {following}')


def _row(subscription: Any) -> tuple[Any, ...]:
    return (
        subscription.id,
        subscription.active,
        subscription.kind,
        resource_path(subscription.__parent__.__parent__),
        subscription.owner,
        wanted_text(subscription),
        subscription.to,
    )


def wanted_text(subscription: Any) -> str:
    """What a subscription is for, in a few words."""
    if subscription.events is not None:
        return ', '.join(subscription.events)
    return f'{subscription.for_name}, {subscription.when_name}'


def _attempt_row(attempt: Any) -> tuple[Any, ...]:
    return (
        attempt.id,
        attempt.event,
        attempt.status,
        attempt.created,
        attempt.due,
        attempt.resolved_at,
        attempt.message,
    )


def _show_fields(shown: dict[str, Any], indent: str = '') -> None:
    """Show what the JSON has; texts with line ends, and what is nested, below the rest."""
    plain, nested = [], []
    for name, value in shown.items():
        if isinstance(value, dict) or (name in ('body', 'content') and value):
            nested.append((name, value))
        elif isinstance(value, list):
            plain.append((name, ', '.join(map(str, value)) or None))
        else:
            plain.append((name, None if value == '' else value))
    write_fields(plain, indent)
    for name, value in nested:
        write(f'{indent}{name}')
        if isinstance(value, dict):
            _show_fields(value, indent + '    ')
        else:
            _show_text(value, indent + '    ')


def _show_text(text: str, indent: str) -> None:
    for line in visible(text[:_SHOWN]).split('\n'):
        write(f'{indent}{line}'.rstrip())
    if len(text) > _SHOWN:
        write(f'{indent}{cell(len(text) - _SHOWN)} more characters: --json shows all.')
