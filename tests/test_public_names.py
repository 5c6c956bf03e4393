"""The names that the package itself has, and what importing it costs."""

import subprocess
import sys

import pytest

import pyramid_webhooks


def modules_after(statement):
    """The modules that a fresh Python has imported after ``statement``."""
    finished = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', f'{statement}; import sys; print(*sys.modules)'],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(finished.stdout.split())


@pytest.mark.parametrize('name', pyramid_webhooks.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(pyramid_webhooks, name).__name__ == name
    assert name in dir(pyramid_webhooks)


def test_a_name_that_is_not_there_is_said_not_to_be():
    with pytest.raises(AttributeError, match="module 'pyramid_webhooks' has no attribute 'nthg'"):
        _ = pyramid_webhooks.nthg
    with pytest.raises(ImportError, match='nthg'):
        exec('from pyramid_webhooks import nthg')


def test_importing_the_package_imports_nothing_that_would_have_to_be_patched_before():
    found = modules_after('import pyramid_webhooks')
    assert not found & {'pyramid', 'ZODB', 'requests', 'socket', 'ssl', 'threading'}


def test_what_resolves_conflicts_in_a_zeo_server_needs_no_pyramid():
    found = modules_after('from pyramid_webhooks.outbox import intake, segment')
    assert 'persistent' in found
    assert not found & {'pyramid', 'cornice', 'requests'}
