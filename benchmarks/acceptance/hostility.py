"""Hostile receivers by the thousand, and targets that nobody may have reached."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.acceptance.finding import Finding, run_tests
from benchmarks.measuring import memory, sized, start_of_growth
from pyramid_webhooks.delivery.destination import DestinationPolicy
from pyramid_webhooks.delivery.exchange import Outcome, perform
from pyramid_webhooks.delivery.transport import WebhookAdapter
from pyramid_webhooks.settings import parse_settings
from tests.chaos.hostile_modes import MODES, is_said
from tests.chaos.hostile_receivers import HostileReceivers
from tests.chaos.site import Site
from tests.chaos.targets import HOSTILE_ADDRESSES, HOSTILE_URLS, LEGITIMATE
from tests.delivery.sending import prepared

_THREADS = parse_settings({}).concurrency
_TIMEOUT = 1.0
_MEGABYTES = 20
_BODY = b'{"id": "employee-0001"}'


def hostile_receivers() -> Iterator[Finding]:
    """Every hostile receiver ends in time, takes little memory, and is told in a sentence."""
    count = max(sized(1000, 0), len(MODES))
    policy = DestinationPolicy(allow_http=True, allowed_networks=['127.0.0.0/8'])
    with HostileReceivers() as receivers, ThreadPoolExecutor(_THREADS) as threads:
        adapter = WebhookAdapter(
            policy, connect_timeout=_TIMEOUT, timeout=_TIMEOUT, ca_bundle=receivers.ca_bundle
        )

        def attempt(name: str) -> tuple[str, Outcome]:
            return name, perform(adapter, prepared(receivers.urls[name], _BODY), _TIMEOUT)

        # What is only made once is not growth.
        list(threads.map(attempt, MODES))
        before = start_of_growth()
        slowest = 0.0
        untold: list[str] = []
        for name, outcome in threads.map(attempt, itertools.islice(itertools.cycle(MODES), count)):
            slowest = max(slowest, outcome.elapsed)
            if not is_said(outcome.message, MODES[name], urlsplit(receivers.urls[name]).netloc):
                untold.append(f'{name}: {outcome.message}')
        grown = memory('VmHWM') - before
        adapter.close()
    yield Finding(
        slowest < _TIMEOUT + 1,
        f'{count} exchanges in {len(MODES)} modes: the slowest took {slowest:.2f} s of '
        f'{_TIMEOUT:g}, at most {_TIMEOUT + 1:g}',
    )
    yield Finding(
        grown < _MEGABYTES,
        f'the peak of memory grew by {grown:.1f} MB, at most {_MEGABYTES}',
    )
    yield Finding(not untold, f'{len(untold)} attempts did not say what happened {untold[:3]}')
    yield from _through_the_application(count)
    yield run_tests('tests/chaos/test_hostile_receivers.py')


def _through_the_application(count: int) -> Iterator[Finding]:
    """As many subscriptions, each to a hostile receiver, and an event for all."""
    with HostileReceivers() as receivers, tempfile.TemporaryDirectory() as folder:
        settings = {
            'webhooks.timeout': str(_TIMEOUT),
            'webhooks.connect_timeout': str(_TIMEOUT),
            'webhooks.ca_bundle': receivers.ca_bundle,
        }
        with Site(Path(folder), lambda name: [], **settings) as site:
            urls = list(receivers.urls.values())
            for url in urls:
                site.subscribe(url)
            site.fire()
            for number in range(count - len(urls)):
                site.subscribe(urls[number % len(urls)])
            before = start_of_growth()
            site.fire()
            grown = memory('VmHWM') - before
    yield Finding(
        grown < _MEGABYTES,
        f'{count} deliveries of the application: the peak of memory grew by {grown:.1f} MB, '
        f'at most {_MEGABYTES}',
    )


def destinations() -> Iterator[Finding]:
    """Hostile targets are refused, by name and by address; legitimate ones are accepted."""
    hostile = len(HOSTILE_URLS) + len(HOSTILE_ADDRESSES)
    yield Finding(
        hostile >= 80 and len(LEGITIMATE) >= 20,
        f'{len(HOSTILE_URLS)} hostile URLs, {len(HOSTILE_ADDRESSES)} hostile addresses of names, '
        f'{len(LEGITIMATE)} legitimate targets',
    )
    yield run_tests('tests/chaos/test_targets.py', 'tests/delivery/test_destination.py')
