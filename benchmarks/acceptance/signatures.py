"""Signatures before, during and after rotations, as the public packages of others see them."""

from __future__ import annotations

import itertools
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.acceptance.finding import Finding, run_tests
from benchmarks.measuring import sized
from pyramid_webhooks import new_secret
from pyramid_webhooks.testing import Receiver
from tests.company import QUICK, Company, wait_until
from tests.signatures import verifies, versions

_BATCH = 10
#: Path of each receiver -> the schemes it begins with and goes on with.
_SCHEMES = {'/v1': ('v1', 'v1'), '/v1a': ('v1a', 'v1a'), '/moving': ('v1', 'v1a')}


def signatures() -> Iterator[Finding]:
    """Every signature verifies with others' libraries before, during and after a rotation."""
    yield run_tests(
        'tests/delivery/test_signing.py',
        'tests/functional/test_rotation.py',
        'tests/functional/test_secrets_at_rest.py',
    )
    count, overlap = sized(2000, 40), sized(40, 6)
    settings = {**QUICK, 'webhooks.secrets_key': secrets.token_urlsafe(32)}
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver:
        company = Company(Path(folder), settings=settings).start()
        try:
            yield from _Rotation(company, receiver, count, overlap).run()
        finally:
            company.stop()


class _Rotation:
    """Three receivers, one event in ten of which fails at first, and their rotations.

    :param count: events in each phase.
    :param overlap: seconds.
    """

    def __init__(self, company: Company, receiver: Receiver, count: int, overlap: float):
        self._company = company
        self._receiver = receiver
        self._count = count
        self._overlap = overlap
        self._old = {path: new_secret(schemes[0]) for path, schemes in _SCHEMES.items()}
        self._new: dict[str, str] = {}
        numbers = itertools.count()
        receiver.answer(lambda request: 200 if next(numbers) % 10 else 503)

    def run(self) -> Iterator[Finding]:
        """Send in each phase, and judge what arrived in it."""
        ids = {
            path: self._company.subscribe('/', self._receiver.url_for(path), secret=secret)
            for path, secret in self._old.items()
        }
        yield from self._phase('before', lambda path: ([self._old[path]], [None]))
        self._new = {path: self._rotate(id, path) for path, id in ids.items()}
        ends = time.time() + self._overlap
        yield from self._phase('during', lambda path: ([self._old[path], self._new[path]], [None]))
        in_time = time.time() < ends
        yield Finding(in_time, f'the overlap of {self._overlap} s was long enough for that')
        wait_until(lambda: time.time() > ends + 0.5, self._overlap + 5)
        yield from self._phase('after', lambda path: ([self._new[path]], [self._old[path]]))

    def _rotate(self, id: str, path: str) -> str:
        secret = new_secret(_SCHEMES[path][1])
        return self._company.at(
            '/', lambda manager: manager[id].rotate_secret(self._overlap, secret)
        )

    def _phase(
        self, phase: str, judged_by: Callable[[str], tuple[list[str], list[Any]]]
    ) -> Iterator[Finding]:
        """One phase: which secrets must verify each request, and which must not."""
        self._receiver.clear()
        for start in range(0, self._count, _BATCH):
            names = [f'{phase}-{start + number}' for number in range(_BATCH)]
            self._company.add('/NWS/OUN', *names)
        wait_until(self._all_arrived, 120, f'the arrival of all events {phase} the rotation')
        self._company.settle(60)
        good: dict[str, int] = dict.fromkeys(_SCHEMES, 0)
        bad: dict[str, int] = dict.fromkeys(_SCHEMES, 0)
        signed: dict[str, set[str]] = {path: set() for path in _SCHEMES}
        for request in self._receiver.requests:
            must, must_not = judged_by(request.path)
            right = all(verifies(secret, request) for secret in must)
            right = right and not any(secret and verifies(secret, request) for secret in must_not)
            (good if right else bad)[request.path] += 1
            signed[request.path].add(' '.join(versions(request)))
        for path in _SCHEMES:
            text = f'{phase} {path}: {good[path]} requests verify, {bad[path]} do not'
            shown = ', '.join(sorted(signed[path]))
            yield Finding(not bad[path] and good[path] >= self._count, f'{text}; {shown}')

    def _all_arrived(self) -> bool:
        found = {(each.path, each.headers['webhook-id']) for each in self._receiver.requests}
        return len(found) >= len(_SCHEMES) * self._count and not self._is_anything_pending()

    def _is_anything_pending(self) -> bool:
        return any(status == 'pending' for status, *_ in self._company.attempts('/'))
