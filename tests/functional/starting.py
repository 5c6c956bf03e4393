"""Processes that start the application at the same moment: ``python -m … URI TO COUNT``."""

import contextlib
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.company import Company

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': '1'}
PROCESSES = 4
LIMIT = 60


def names(count):
    """The names of the subscriptions."""
    return [f'name{number}' for number in range(count)]


def settings_for(uri, to, count):
    """So many subscriptions that are kept in the tree: every third at the root, else in /NWS."""
    settings = {'zodbconn.uri': uri, 'webhooks.subscriptions': ' '.join(names(count))}
    for number, name in enumerate(names(count)):
        prefix = f'webhooks.subscription.{name}.'
        path = '/' if number % 3 == 2 else '/NWS'
        settings |= {prefix + 'to': to, prefix + 'events': '*', prefix + 'path': path}
    return settings


@contextlib.contextmanager
def sharing(folder):
    """Yield the URI of a database in ``folder`` that a ZEO server offers to several processes."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{free.getsockname()[1]}'
    server = subprocess.Popen(
        [sys.executable, '-m', 'ZEO.runzeo', '-a', address, '-f', str(folder / 'Data.fs')],
        cwd=folder,
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f'zeo://{address}?wait_timeout=30&connection_pool_size=40'
    finally:
        server.terminate()
        server.wait(20)


def start_together(uri, to, count):
    """Start processes at the same moment; what each of them logged as an error."""
    command = [sys.executable, '-m', 'tests.functional.starting', uri, to, str(count)]
    processes = []
    try:
        for _ in range(PROCESSES):
            processes.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=ENVIRONMENT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        for word in ('ready\n', 'started\n'):
            for process in processes:
                assert process.stdout.readline() == word, process.stderr.read()
            for process in processes:
                process.stdin.write('go on\n')
                process.stdin.flush()
        errors = [process.communicate(timeout=LIMIT)[1] for process in processes]
        assert [process.returncode for process in processes] == [0] * PROCESSES
        return errors
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()


def main(uri, to, count):
    logging.basicConfig(level=logging.ERROR, format='%(levelname)s %(message)s')

    def wait_for_the_word(config):
        print('ready', flush=True)
        sys.stdin.readline()

    settings = settings_for(uri, to, int(count))
    company = Company(Path(), settings=settings, setup=wait_for_the_word)
    company.start()
    print('started', flush=True)
    sys.stdin.readline()
    company.stop()


if __name__ == '__main__':
    main(*sys.argv[1:])
