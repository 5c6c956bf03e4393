"""Running what the pages of the documentation show, as their readers would."""

from __future__ import annotations

import doctest
import io
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

CLONE = Path(__file__).parents[2]
PAGES = CLONE / 'docs'
EXAMPLES = PAGES / 'examples'
JOURNAL = ('journal.py', 'journal.ini')
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

_NEW_SESSION = re.compile(r'^\.\. session: .*$', re.MULTILINE)


def copy_journal(folder):
    """Put the files of the tutorial's application into ``folder``, which is empty."""
    for name in JOURNAL:
        shutil.copy(EXAMPLES / name, folder)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def sessions_of(name):
    """The text of a page, cut where the reader starts Python anew."""
    return _NEW_SESSION.split((PAGES / name).read_text())


def run_session(text, folder):
    """Type the examples of ``text`` into a Python of its own; whatever differs is a failure."""
    page = folder / 'session.txt'
    page.write_text(text)
    command = [sys.executable, '-W', 'ignore', '-m', 'doctest']
    command += ['-o', 'ELLIPSIS', '-o', 'NORMALIZE_WHITESPACE', page.name]
    environment = {**os.environ, 'PYTHONPATH': str(CLONE)}
    finished = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def run_page(name, names):
    """Run the examples of a page here, where they find ``names``."""
    path = PAGES / name
    test = doctest.DocTestParser().get_doctest(path.read_text(), dict(names), name, str(path), 0)
    report = io.StringIO()
    results = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.write)
    assert results.attempted, f'{name} shows no examples.'
    assert not results.failed, report.getvalue()
