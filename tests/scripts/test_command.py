"""What every command has in common: wrong input, exit codes, and never a traceback."""

import configparser
import contextlib
import io
import os
import subprocess
import sys
import threading

import pytest

from pyramid_webhooks.scripts.entry import main
from tests.scripts.conftest import ENVIRONMENT, ROOT
from tests.scripts.site import write_ini

TO = 'https://a.example/'


def test_help_says_what_there_is(capsys):
    assert main(['--help']) == 0
    out = capsys.readouterr().out
    for name in ('list', 'show', 'attempts', 'retry', 'recover', 'explain', 'ping', 'worker'):
        assert f'\n    {name}' in out
    assert 'exit codes:' in out


@pytest.mark.parametrize(
    'arguments',
    [
        [],
        ['x.ini'],
        ['x.ini', 'nothing'],
        ['x.ini', 'list', '--nothing'],
        ['x.ini', 'list', '--limit', '0'],
        ['x.ini', 'list', '--limit', '٣'],
        ['x.ini', 'show'],
        ['x.ini', 'worker', '--concurrency', '0'],
        ['x.ini', 'listen', '--port', '65536'],
        ['x.ini', 'listen', '--answer', '99'],
        ['x.ini', 'listen', '--delay', 'long'],
        ['x.ini', 'recover', 'sub_x'],
        ['x.ini', 'recover', 'sub_x', '--since', 'yesterday'],
        ['x.ini', 'attempts', 'sub_x', '--status', 'odd'],
    ],
)
def test_a_wrong_command_line_is_answered_by_the_usage(arguments, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == '' and err.startswith('usage: pwebhooks')


@pytest.mark.parametrize('command', [['list'], ['worker'], ['listen'], ['show', 'sub_x']])
def test_a_configuration_that_is_not_there_is_named(command, tmp_path, capsys):
    path = str(tmp_path / 'nowhere.ini')
    assert main([path, *command]) == 2
    assert capsys.readouterr() == ('', f"pwebhooks: There is no configuration file '{path}'.\n")


@pytest.mark.parametrize(
    'settings, said',
    [
        ({'webhooks__lease': 'soon'}, 'webhooks.lease'),
        ({'webhooks__leese': '3'}, 'webhooks.leese'),
        ({'zodbconn__uri': 'nothing://here'}, 'could not be made'),
        ({'webhooks__subscriptions': 'audit'}, 'audit'),
        (
            {
                'webhooks__subscriptions': 'audit',
                'webhooks__subscription__audit__to': TO,
                'webhooks__subscription__audit__events': 'no.such',
            },
            'employee.added',
        ),
    ],
)
def test_a_setting_that_can_not_be_used_is_named(commands, tmp_path, settings, said):
    uri = {'zodbconn__uri': f'file://{commands.company.path}'}
    ini = write_ini(tmp_path / 'bad.ini', **{**uri, **settings})
    err = commands.refused('list', ini=ini, code=2)
    assert said in err and err.startswith('pwebhooks: ')


@pytest.mark.parametrize(
    'text, said',
    [
        ('no ini file at all', 'could not be made'),
        ('[app:main]\nuse = call:nowhere:main\n', 'nowhere'),
        ('[app:main]\nuse = call:tests.scripts.site:nothing\n', 'nothing'),
        ('[other]\n', 'could not be made'),
        (
            '[app:main]\nuse = call:tests.scripts.site:without_webhooks\n',
            'does not include pyramid_webhooks',
        ),
    ],
)
def test_a_file_that_makes_no_application_is_said_to_make_none(commands, tmp_path, text, said):
    ini = tmp_path / 'bad.ini'
    ini.write_text(text)
    assert said in commands.refused('list', ini=str(ini), code=2)


def test_an_application_that_only_lies_in_the_folder_is_said_to_be_found_by_python(
    commands, tmp_path, monkeypatch
):
    ini = tmp_path / 'lonely.ini'
    ini.write_text('[app:main]\nuse = call:lonely:main\n')
    monkeypatch.chdir(tmp_path)
    remedy = 'python -m pyramid_webhooks.scripts'
    assert remedy not in commands.refused('list', ini=str(ini), code=2)
    (tmp_path / 'lonely.py').write_text('')
    assert remedy in commands.refused('list', ini=str(ini), code=2)


def test_a_database_that_another_process_has_open_is_said_to_be_in_use(commands, capsys):
    commands.open()
    assert main([commands.ini, 'list']) == 2
    err = capsys.readouterr().err
    assert 'another process has this database open' in err and 'Traceback' not in err


@pytest.mark.parametrize('command', [['list'], ['ping', 'audit'], ['explain', '/', 'a.b']])
def test_an_application_without_a_database_is_told_from_others(commands, tmp_path, command):
    ini = tmp_path / 'bare.ini'
    ini.write_text('[app:main]\nuse = call:tests.scripts.site:without_database\n')
    assert 'has no database' in commands.refused(*command, ini=str(ini), code=2)


def test_an_error_that_nobody_expected_is_a_sentence_and_a_traceback_when_asked_for(
    commands, monkeypatch, capsys
):
    commands.open().subscribe('/', TO)

    def fail(subscription, request):
        raise ZeroDivisionError('the moon is too small')

    monkeypatch.setattr('pyramid_webhooks.scripts.looking.subscription_json', fail)
    err = commands.refused('list', '--json')
    assert 'ZeroDivisionError: the moon is too small (--traceback shows where.)' in err
    with pytest.raises(ZeroDivisionError):
        main([commands.ini, '--traceback', 'list', '--json'])


def test_no_command_sends_whatever_the_settings_say(commands, receiver, tmp_path, monkeypatch):
    threads = []

    def look(*arguments):
        threads.extend(thread.name for thread in threading.enumerate())

    monkeypatch.setattr('pyramid_webhooks.scripts.looking.write_table', look)
    company = commands.open()
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    for delivery in ('process', 'sync', 'worker'):
        ini = write_ini(
            tmp_path / f'{delivery}.ini',
            zodbconn__uri=f'file://{company.path}',
            webhooks__delivery=delivery,
        )
        assert commands('list', ini=ini)[0] == 0
    assert threads and 'pyramid_webhooks-engine' not in threads
    assert receiver.requests == []
    assert [each[0] for each in commands.open().attempts('/')] == ['pending']


def test_what_the_root_factory_founds_is_there_for_the_command(tmp_path, capsys):
    text = (ROOT / 'development.ini').read_text()
    ini = tmp_path / 'development.ini'
    ini.write_text(text)
    assert main([str(ini), 'list', '/NWS', '--json']) == 0
    assert main([str(ini), 'explain', '/NWS/OUN', 'office.modified']) == 0
    assert 'audit' in capsys.readouterr().out


def pwebhooks(*arguments, **keywords):
    return subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-m', 'pyramid_webhooks.scripts', *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        **keywords,
    )


def test_a_reader_that_has_gone_is_no_error(commands):
    commands.open().subscribe('/', TO)
    commands.company.stop()
    read, write = os.pipe()
    os.close(read)
    with pwebhooks(commands.ini, 'list', stdout=write) as process:
        os.close(write)
        assert process.communicate(timeout=30) == (None, '')
    assert process.returncode == 141


def test_an_interrupted_command_says_so_by_its_exit_code(commands, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr('pyramid_webhooks.scripts.looking.open_application', interrupt)
    assert commands('list') == (130, '', '')


def test_characters_that_the_terminal_has_not_are_written_as_escapes(commands, monkeypatch):
    company = commands.open()
    company.subscribe('/', TO, owner='müller')
    company.stop()
    written = io.BytesIO()
    with io.TextIOWrapper(written, 'ascii') as out, contextlib.redirect_stdout(out):
        assert main([commands.ini, 'list']) == 0
        assert b'm\\xfcller' in written.getvalue()


def test_gevent_that_is_not_installed_is_said_not_to_be(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'gevent', None)
    assert main(['x.ini', 'worker', '--gevent']) == 2
    assert 'gevent, which is not installed' in capsys.readouterr().err


def test_the_command_is_installed_under_its_name():
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / 'setup.cfg')
    declared = configuration['options.entry_points']['console_scripts'].split()
    assert declared == ['pwebhooks', '=', f'{main.__module__}:{main.__name__}']
