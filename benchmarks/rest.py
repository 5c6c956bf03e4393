"""What REST costs, against a bare Cornice view that answers the same from plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cornice import Service
from pyramid.config import Configurator
from pyramid.request import Request

from benchmarks.application import Application, applications
from benchmarks.deliveries import application_for, warm_up
from benchmarks.measuring import ROUNDS, Figure, ratios, seconds_each, sized
from benchmarks.receiver import running_receiver


class Call:
    """A GET request, as a WSGI server makes it.

    :param path: with the query.
    """

    def __init__(self, application: Application, path: str):
        self._wsgi = application.wsgi
        self._environ = Request.blank(path, headers={'X-User': 'owner-0'}).environ

    def __call__(self, number: int = 0) -> bytes:
        """The body of the answer.

        :raises AssertionError: when it is not ``200 OK``.
        """
        said: list[str] = []
        answer = self._wsgi(dict(self._environ), lambda status, headers: said.append(status))
        body = b''.join(answer)
        if hasattr(answer, 'close'):
            answer.close()
        assert said == ['200 OK'], (said, body)
        return body


class BareView:
    """A Cornice service that answers with plain values and asks nobody.

    Its application has the same tweens and root factory, but no webhooks.

    :ivar document: what it answers with.
    """

    def __init__(self) -> None:
        self.document: Any = None

    def configure(self, config: Configurator) -> None:
        """Register the service at ``/bare``."""
        config.include('cornice')
        service = Service(name='bare', path='/bare')
        service.add_view('GET', lambda request: self.document)
        config.add_cornice_service(service)


def bare_call(make: Any, call: Call) -> Call:
    """A call of a bare view that answers as ``call`` does.

    :param make: as :func:`benchmarks.application.applications` yields it.
    """
    view = BareView()
    bare = Call(make(webhooks=False, configure=view.configure), '/bare')
    view.document = json.loads(call())
    assert json.loads(bare()) == view.document
    return bare


def measure() -> Iterator[Figure]:
    """Read one attempt of a full history, and the yardstick, in turns."""
    with running_receiver() as receiver, applications() as make:
        application = application_for(make, receiver, 1)
        warm_up(application, receiver, 1)
        application.pause()
        listed = json.loads(Call(application, '/office/__webhooks__')())
        [subscription] = listed['subscriptions']
        attempts = f'/office/__webhooks__/{subscription["id"]}/attempts'
        listed = json.loads(Call(application, f'{attempts}?limit=2')())
        read = Call(application, f'{attempts}/{listed["attempts"][1]["id"]}')
        assert json.loads(read())['response']['status_code'] == 200
        yield from compared('P12 read an attempt over REST', read, bare_call(make, read))


def compared(name: str, call: Call, bare: Call) -> Iterator[Figure]:
    """How often the time of the bare view a call takes."""
    count = sized(400, 5)
    times: dict[Call, list[float]] = {bare: [], call: []}
    for _ in range(2 * ROUNDS):
        for each, found in times.items():
            each()
            found.append(seconds_each(count, each))
    milliseconds = [1000 * each for each in times[bare]]
    yield Figure(f'a bare Cornice view of {len(bare()):,} bytes', milliseconds, 'ms')
    yield Figure(name, ratios(times[call], times[bare]), 'x', 3)
