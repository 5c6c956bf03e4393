"""Databases that several processes share: a ZEO server, and RelStorage on PostgreSQL."""

import contextlib
import os
import secrets
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


@contextlib.contextmanager
def zeo(folder):
    """Start a ZEO server, and yield the URI of its database."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{free.getsockname()[1]}'
    server = subprocess.Popen(
        [sys.executable, '-m', 'ZEO.runzeo', '-a', address, '-f', str(folder / 'Data.fs')],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f'zeo://{address}?wait_timeout=30&connection_pool_size=40'
    finally:
        server.terminate()
        server.wait(20)


@contextlib.contextmanager
def postgresql(folder):
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
            '?keep_history=false&connection_pool_size=40'
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
