"""Databases that several processes share: a ZEO server, and RelStorage on PostgreSQL."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

ROOT = Path(__file__).parents[1]
#: Where a PostgreSQL server is expected, as a user who may create databases.
POSTGRESQL = os.environ.get(
    'TEST_POSTGRESQL', 'host=127.0.0.1 port=5432 user=postgres password=postgres dbname=postgres'
)
KINDS = ('zeo', 'postgresql')


class ZeoServer:
    """A ZEO server, which can be stopped and started again.

    :ivar process: in which it runs.
    """

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.address = f'127.0.0.1:{free.getsockname()[1]}'
        self._folder = folder
        self.start()

    def start(self):
        command = [sys.executable, '-m', 'ZEO.runzeo', '-a', self.address, '-f', 'Data.fs']
        self.process = subprocess.Popen(
            command,
            cwd=self._folder,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stderr=subprocess.DEVNULL,
        )

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(20)

    @property
    def uri(self):
        return f'zeo://{self.address}?wait_timeout=30&connection_pool_size=40'


@contextlib.contextmanager
def zeo(folder):
    """Start a ZEO server, and yield the URI of its database."""
    server = ZeoServer(folder)
    try:
        yield server.uri
    finally:
        server.stop()


@contextlib.contextmanager
def postgresql(folder, keep_history=False):
    """Create a PostgreSQL database, and yield the URI of a RelStorage in it."""
    server = psycopg2.connect(POSTGRESQL)
    server.autocommit = True
    name = f'pyramid_webhooks_{secrets.token_hex(4)}'
    given = server.get_dsn_parameters()
    password = psycopg2.extensions.parse_dsn(POSTGRESQL).get('password', '')
    try:
        with server.cursor() as cursor:
            cursor.execute(f'create database {name}')
        yield (
            f'postgres://{given["user"]}:{password}@{given["host"]}:{given["port"]}/{name}'
            f'?keep_history={str(keep_history).lower()}&connection_pool_size=40'
        )
    finally:
        with server.cursor() as cursor:
            cursor.execute(f'drop database if exists {name} with (force)')
        server.close()


def shared_database(kind, folder):
    """The context manager of one of the kinds; a test is skipped when there is no such server.

    With ``REQUIRE_SERVICES`` in the environment it fails instead.
    """
    if kind == 'zeo':
        return zeo(folder)
    try:
        psycopg2.connect(POSTGRESQL).close()
    except psycopg2.OperationalError as error:
        if os.environ.get('REQUIRE_SERVICES'):
            raise
        pytest.skip(f'There is no PostgreSQL server (TEST_POSTGRESQL names one): {error}')
    return postgresql(folder)
