"""``pwebhooks stats``: what is owed and who sends it, or how one subscription does."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from typing import Any

from pyramid_webhooks.outbox.overview import backlog_of, sending_processes
from pyramid_webhooks.outbox.root import PARTITIONS
from pyramid_webhooks.resources.message import utc
from pyramid_webhooks.resources.presenting import overview_json, statistics_json
from pyramid_webhooks.resources.urls import path_of
from pyramid_webhooks.scripts.application import open_application
from pyramid_webhooks.scripts.naming import subscription_named
from pyramid_webhooks.scripts.outcome import DONE
from pyramid_webhooks.scripts.tables import cell, write, write_fields, write_json, write_table


def show_statistics(options: argparse.Namespace) -> int:
    """Show figures about a subscription, or about all together."""
    with open_application(options.config) as application:
        if options.subscription is not None:
            _of_one(subscription_named(application, options.subscription), options.json)
            return DONE
        # What is counted first may go meanwhile, but nothing is counted that is owed to no one.
        senders = sending_processes(application.connection)
        backlog = backlog_of(application.connection)
        if options.json:
            write_json(overview_json(backlog, senders))
        else:
            _of_all(backlog, senders)
    return DONE


def _of_one(subscription: Any, json: bool) -> None:
    statistics = subscription.statistics
    if json:
        write_json(statistics_json(statistics))
        return
    write_fields(
        (
            ('subscription', path_of(subscription)),
            ('sent', statistics.sent),
            ('failed', statistics.failed),
            ('pending', statistics.pending),
            ('last success', statistics.last_success),
            ('last failure', statistics.last_failure),
            ('half within', seconds(statistics.p50)),
            ('95% within', seconds(statistics.p95)),
        )
    )


def _of_all(backlog: Any, senders: list[Any]) -> None:
    oldest = '-'
    if backlog.oldest is not None:
        oldest = f'{cell(utc(backlog.oldest))} ({seconds(time.time() - backlog.oldest)} ago)'
    owned = sum(len(each.partitions) for each in senders)
    write_fields(
        (
            ('owed', backlog.owed),
            ('held', backlog.held),
            ('oldest not held', oldest),
            ('rate', f'{sum(each.rate for each in senders):.1f} a second'),
            ('processes that send', len(senders)),
            ('partitions owned', f'{owned} of {PARTITIONS}'),
        )
    )
    if senders:
        write()
        write_table(
            ('host', 'pid', 'last sign of life', 'rate', 'partitions'),
            (
                (
                    each.hostname,
                    each.pid,
                    utc(each.heartbeat),
                    f'{each.rate:.1f}',
                    f'{len(each.partitions)}: {spans(each.partitions)}',
                )
                for each in senders
            ),
        )


def seconds(value: float | None) -> str | None:
    """A duration for people."""
    if value is None:
        return None
    return f'{value:.3f} s' if value < 10 else f'{value:.0f} s'


def spans(numbers: Iterable[int]) -> str:
    """Numbers in order, neighbours as ``3-7``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ', '.join(str(low) if low == high else f'{low}-{high}' for low, high in runs)
