"""The demo as a newcomer meets it: ``pserve development.ini``, another process, real HTTP."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

CLONE = Path(__file__).parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def until(condition, what, timeout=20):
    """Return the first true value of ``condition()``, asking again and again."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f'Within {timeout} seconds {what} did not happen.')
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def served(configuration, url):
    """Run ``pserve`` in a process of its own until the block ends."""
    command = [sys.executable, '-m', 'pyramid.scripts.pserve', str(configuration)]
    with (configuration.parent / 'log').open('ab') as log:
        process = subprocess.Popen(command, cwd=CLONE, stdout=log, stderr=log)
    try:
        until(lambda: answers(process, url), 'an answer of the server')
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def answers(process, url):
    assert process.poll() is None, 'The server ended instead of serving.'
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def site(tmp_path):
    """The address that ``development.ini``, in a folder of its own, serves at."""
    port = free_port()
    text = (CLONE / 'development.ini').read_text()
    assert '127.0.0.1:6543' in text
    (tmp_path / 'development.ini').write_text(text.replace('127.0.0.1:6543', f'127.0.0.1:{port}'))
    return f'http://127.0.0.1:{port}'


class Browser(requests.Session):
    """Somebody's browser."""

    def __init__(self, site, userid):
        super().__init__()
        self.site = site
        self.headers['Accept'] = 'application/json'
        self.done('POST', '/@@become', data={'userid': userid})

    def done(self, method, path, **kw):
        answer = self.request(method, self.site + path, timeout=20, **kw)
        assert answer.ok, answer.text
        return answer

    def subscribe(self, folder, userid):
        to = f'{self.site}/receiver/{userid}'
        wanted = {'to': to, 'events': ['employee.added']}
        made = self.done('POST', f'{folder}/__webhooks__', json=wanted).json()
        self.done('POST', f'/receiver/{userid}/secret', json={'secret': made['secret']})

    def arrivals(self):
        return self.done('GET', '/receiver/').json()['arrivals']

    def attempts(self, folder):
        """The attempts of every subscription of ``folder`` that this person may see."""
        listed = self.done('GET', f'{folder}/__webhooks__').json()['subscriptions']
        return [
            attempt
            for subscription in listed
            for attempt in self.get(subscription['attempts_url']).json()['attempts']
        ]


def test_a_newcomer_sees_three_signed_webhooks_and_they_outlive_a_restart(tmp_path, site):
    configuration = tmp_path / 'development.ini'
    with (
        served(configuration, site),
        Browser(site, 'pat') as pat,
        Browser(site, 'dana') as dana,
        Browser(site, 'omar') as omar,
    ):
        pat.subscribe('', 'pat')
        dana.subscribe('/NWS', 'dana')
        omar.subscribe('/NWS/OUN', 'omar')
        omar.done('POST', '/NWS/OUN/@@hire', data={'name': 'Zoe Quist'})

        def recorded():
            attempts = [*pat.attempts(''), *pat.attempts('/NWS'), *pat.attempts('/NWS/OUN')]
            return [attempt for attempt in attempts if attempt['status'] == 'successful']

        until(lambda: len(recorded()) == 4, 'the recording of four attempts')
        arrivals = omar.arrivals()
    told = sorted((arrival['receiver'], arrival['signature']) for arrival in arrivals)
    assert told == [(name, 'valid') for name in ('audit', 'dana', 'omar', 'pat')]
    assert len({arrival['id'] for arrival in arrivals}) == 1

    with served(configuration, site), Browser(site, 'dana') as dana:
        assert 'Zoe Quist' in dana.done('GET', '/NWS/OUN').text
        [attempt] = dana.attempts('/NWS')
        assert (attempt['status'], attempt['message']) == ('successful', '200 OK')
        assert attempt['message_id'] == arrivals[0]['id']
        dana.done('POST', '/NWS/FWD/@@hire', data={'name': 'Far Away'})
        until(lambda: len(dana.arrivals()) >= 3, 'the arrival of three webhooks')
        told = sorted(arrival['receiver'] for arrival in dana.arrivals())
        assert told == ['audit', 'dana', 'pat']
