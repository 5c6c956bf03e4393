"""The tutorial, followed to the letter."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import requests

from tests.docs.sessions import copy_journal, free_port, run_session, sessions_of


@pytest.fixture
def folder(tmp_path):
    copy_journal(tmp_path)
    return tmp_path


def test_every_step_of_the_tutorial_does_what_it_says(folder):
    sessions = sessions_of('tutorial.rst')
    assert len(sessions) == 2
    port = str(free_port())
    for text in sessions:
        assert 'port=8642' in text
        run_session(text.replace('8642', port), folder)


def test_the_tutorials_application_is_served_by_pserve(folder):
    address = f'127.0.0.1:{free_port()}'
    configuration = folder / 'journal.ini'
    text = configuration.read_text()
    assert '127.0.0.1:6543' in text
    configuration.write_text(text.replace('127.0.0.1:6543', address))
    command = [sys.executable, '-m', 'pyramid.scripts.pserve', 'journal.ini']
    with (folder / 'log').open('wb') as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        url = f'http://{address}/science/write'
        form = {'name': 'tide', 'title': 'Tides'}
        answer = posted_when_it_listens(server, url, form)
        assert answer.json() == {'id': 'tide', 'title': 'Tides', 'draft': False}
    finally:
        server.terminate()
        server.wait(timeout=20)


def posted_when_it_listens(server, url, form, timeout=20):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        assert server.poll() is None, 'The server ended instead of serving.'
        try:
            return requests.post(url, form, auth=('eve', 'the editor'), timeout=5)
        except requests.ConnectionError:
            time.sleep(0.02)
    raise TimeoutError(f'No answer came within {timeout} seconds.')
