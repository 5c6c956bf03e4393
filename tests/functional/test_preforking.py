"""gunicorn, which forks: before the application is made or, with ``--preload``, after that."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.company import Company, wait_until
from tests.functional.test_demo_served import free_port
from tests.storages import zeo

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(90), pytest.mark.long]


class Server:
    """gunicorn.

    :param kind: of its workers.
    :param options: more of them.
    """

    def __init__(self, folder, settings, kind, workers, *options):
        self.url = f'http://127.0.0.1:{free_port()}'
        self.log = folder / 'gunicorn.log'
        command = [sys.executable, '-m', 'gunicorn', '--worker-class', kind, *options]
        command += ['--workers', str(workers), '--bind', self.url.removeprefix('http://')]
        command += ['--graceful-timeout', '30', '--no-control-socket']
        with self.log.open('w') as log:
            self._process = subprocess.Popen(
                [*command, 'tests.functional.preforked:app'],
                cwd=ROOT,
                env={
                    **os.environ,
                    'PYTHONPATH': str(ROOT),
                    'COMPANY_FOLDER': str(folder),
                    'COMPANY_SETTINGS': json.dumps(settings),
                },
                stdout=log,
                stderr=log,
            )

    def get(self, path):
        """The text that is answered; each request has a connection of its own."""
        answer = requests.get(f'{self.url}/{path}', timeout=20, headers={'Connection': 'close'})
        answer.raise_for_status()
        return answer.text

    def is_up(self):
        assert self._process.poll() is None, self.log.read_text()
        with contextlib.suppress(requests.ConnectionError):
            return self.get('look')

    def look(self, workers):
        """What so many different workers say of themselves, by pid."""
        found = {}

        def see():
            said = json.loads(self.get('look'))
            found[said['pid']] = said
            return len(found) == workers

        wait_until(see, 30, 'an answer of each worker')
        return found

    def stop(self):
        """The exit status after a SIGTERM."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def serve(tmp_path):
    """A function that starts a server; it is killed in the end."""
    started = []

    def serve(*arguments):
        started.append(Server(tmp_path, *arguments))
        wait_until(started[-1].is_up, 30, 'an answer of the server')
        return started[-1]

    yield serve
    for server in started:
        server.kill()


@contextlib.contextmanager
def looking(folder, settings):
    """The same application here, which does not send."""
    company = Company(folder, settings={**settings, 'webhooks.delivery': 'worker'}).start()
    try:
        yield company
    finally:
        company.stop()


def subscribe(folder, settings, receiver):
    with looking(folder, settings) as company:
        company.subscribe('/', receiver.url, events=['company.closed'])


@pytest.mark.parametrize('kind', ['sync', 'gevent'])
def test_workers_of_gunicorn_share_a_zeo_database(tmp_path, receiver, serve, kind):
    with zeo(tmp_path) as uri:
        settings = {'zodbconn.uri': uri, 'webhooks.delivery': 'process'}
        subscribe(tmp_path, settings, receiver)
        server = serve(settings, kind, 2)
        workers = server.look(2)
        assert all(each['sends'] for each in workers.values()), workers
        for number in range(20):
            server.get(f'fire?number={number}')
        receiver.wait_for(20, 20)
        with looking(tmp_path, settings) as company:
            company.settle()
        receiver.answer(delay=1)
        server.get('fire?number=20')
        receiver.wait_for(21)
        assert server.stop() == 0
        with looking(tmp_path, settings) as company:
            statuses = [each[0] for each in company.attempts('/')]
    assert statuses == ['successful'] * 21
    numbers = [each.json()['number'] for each in receiver.requests]
    assert sorted(numbers) == list(range(21))


@pytest.mark.parametrize('kind', ['sync', 'gevent'])
def test_one_worker_of_gunicorn_has_a_file_to_itself(tmp_path, receiver, serve, kind):
    subscribe(tmp_path, {}, receiver)
    server = serve({}, kind, 1)
    for number in range(20):
        server.get(f'fire?number={number}')
    receiver.wait_for(20, 20)
    receiver.answer(delay=1)
    server.get('fire?number=20')
    receiver.wait_for(21)
    assert server.stop() == 0
    with looking(tmp_path, {}) as company:
        statuses = [each[0] for each in company.attempts('/')]
    assert statuses == ['successful'] * 21


def test_an_application_that_was_made_before_the_fork_sends_in_the_child_alone_and_warns(
    tmp_path, receiver, serve
):
    subscribe(tmp_path, {}, receiver)
    server = serve({}, 'sync', 1, '--preload')
    assert [each['sends'] for each in server.look(1).values()] == [True]
    for number in range(20):
        server.get(f'fire?number={number}')
    receiver.wait_for(20, 20)
    assert server.stop() == 0
    assert server.log.read_text().count('was forked when the application had been made') == 1
    with looking(tmp_path, {}) as company:
        assert [each[0] for each in company.attempts('/')] == ['successful'] * 20
    assert len(receiver.requests) == 20
