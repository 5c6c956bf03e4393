"""The commands of the page about ``pwebhooks``, run in their order on the tutorial's journal."""

from __future__ import annotations

import configparser
import re
import shlex

import pytest
from pyramid.paster import get_app

from pyramid_webhooks import stop_delivery
from pyramid_webhooks.scripts.arguments import parse_arguments
from pyramid_webhooks.scripts.entry import main
from pyramid_webhooks.settings import parse_settings
from pyramid_webhooks.testing import Receiver, wait_for_deliveries
from tests.docs.conftest import visitor
from tests.docs.sessions import EXAMPLES, PAGES
from tests.scripts.conftest import logging_as_before

BLOCK = re.compile(r'\.\. code-block:: console\n\n((?:   .*\n|\n)+)')

_ = logging_as_before


def commands_of(text):
    """Yield (command, lines that are shown after it)."""
    for block in BLOCK.findall(text):
        for shown in re.split(r'^   \$ ', block, flags=re.MULTILINE)[1:]:
            command, *lines = shown.replace('\\\n', ' ').splitlines()
            yield command, [line.strip() for line in lines if line.strip()]


def is_as_shown(line, shown):
    """Whether a line is what the page shows; ``…`` stands for anything, and blanks for blanks."""
    line, shown = ' '.join(line.split()), ' '.join(shown.split())
    return re.fullmatch('.*'.join(map(re.escape, shown.split('…'))), line) is not None


@pytest.fixture
def id(journal_here):
    """The id of Sam's subscription, whose receiver is out of order."""
    with Receiver() as receiver:
        receiver.answer(503)
        app = get_app('journal.ini')
        eve, sam = visitor(app, 'eve', 'the editor'), visitor(app, 'sam', 'of science')
        eve.get('/')
        wish = {'to': receiver.url, 'events': ['article.*']}
        made = sam.post_json('/culture/__webhooks__', wish).json
        eve.post('/culture/write', {'name': 'opera', 'title': 'The opera'})
        eve.post('/culture/write', {'name': 'ballet', 'title': 'A ballet', 'draft': 'yes'})
        wait_for_deliveries(app.registry)
        stop_delivery(app.registry)
        app.registry._zodb_databases[''].close()
    return made['id']


def test_every_command_of_the_page_answers_as_it_is_shown(id, capsys):
    commands = list(commands_of((PAGES / 'command.rst').read_text()))
    assert len(commands) > 8
    code, attempt = None, None
    for command, shown in commands:
        if command == 'echo $?':
            assert [str(code)] == shown
            continue
        name, *arguments = shlex.split(command.format(id=id, attempt=attempt))
        assert name == 'pwebhooks'
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        lines = [line.strip() for line in (out + err).splitlines() if line.strip()]
        assert len(lines) == len(shown), (command, lines)
        for line, expected in zip(lines, shown, strict=True):
            assert is_as_shown(line, expected), (command, line, expected)
        found = re.search(r'msg_\w+-\d+', out)
        attempt = attempt or (found and found[0])


def test_the_unit_for_systemd_runs_a_command_that_there_is():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(EXAMPLES / 'webhooks@.service')
    program, *arguments = shlex.split(unit['Service']['ExecStart'])
    assert program.endswith('/pwebhooks')
    options = parse_arguments(arguments)
    assert (options.run.__name__, options.concurrency) == ('work', 64)
    timeout = parse_settings({}).timeout
    assert int(unit['Service']['TimeoutStopSec']) > timeout + 10
