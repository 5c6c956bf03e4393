"""Several processes that start at once, and keep the same subscriptions in the tree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyramid_webhooks import manager_of
from pyramid_webhooks.resources.upkeep import ROOT_KEY
from tests.company import Company
from tests.functional.starting import NAMES, settings_for
from tests.storages import zeo

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': '1'}
TO = 'http://127.0.0.1:9/'
PROCESSES = 4
LIMIT = 60


@pytest.fixture
def shared(tmp_path):
    """The URI of a database that a ZEO server offers to several processes."""
    with zeo(tmp_path) as uri:
        yield uri


@pytest.fixture
def spectator(shared, tmp_path):
    """An application in this process that keeps nothing, and looks at the shared database."""
    settings = {'zodbconn.uri': shared, 'webhooks.delivery': 'worker'}
    company = Company(tmp_path, settings=settings).start()
    yield company
    company.stop()


def start_together(uri):
    """Start processes at the same moment; what each of them logged as an error."""
    command = [sys.executable, '-m', 'tests.functional.starting', uri, TO]
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


def kept(spectator):
    """ids of the subscriptions in the two folders, all of which must be active."""

    def look(root):
        root._p_jar.sync()
        found = [list(manager_of(each).values()) for each in (root['NWS'], root)]
        assert all(each.active and each.kind == 'tree' for each in [*found[0], *found[1]])
        assert sorted(root._p_jar.root()[ROOT_KEY]) == sorted(NAMES)
        return [sorted(each.id for each in subscriptions) for subscriptions in found]

    return spectator.transact(look)


def test_each_is_there_once_and_nobody_met_an_error(shared, spectator, tmp_path):
    assert start_together(shared) == [''] * PROCESSES
    first = kept(spectator)
    assert [len(ids) for ids in first] == [2, 1]
    Company(tmp_path, settings=settings_for(shared, TO)).start().stop()
    assert kept(spectator) == first


def test_those_that_were_removed_are_deactivated_once(shared, spectator, tmp_path):
    alone = Company(tmp_path, settings=settings_for(shared, TO + 'before'))
    alone.start().stop()
    assert start_together(shared) == [''] * PROCESSES

    def look(root):
        found = [*manager_of(root['NWS']).values(), *manager_of(root).values()]
        return sorted((each.to, each.active) for each in found)

    assert spectator.transact(look) == [(TO, True)] * 3 + [(TO + 'before', False)] * 3
