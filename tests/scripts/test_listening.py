"""``pwebhooks listen``: what arrives is shown, and its signature judged."""

import json
import signal

import pytest
import requests

from pyramid_webhooks import new_secret
from pyramid_webhooks.scripts.entry import main
from pyramid_webhooks.testing import Receiver
from tests.scripts.site import write_ini


@pytest.fixture
def ini(tmp_path):
    return write_ini(tmp_path / 'site.ini', zodbconn__uri=f'file://{tmp_path}/unused.fs')


def url_of(process):
    return process.stderr.until('Listening at').split()[2]


def test_what_the_application_sends_is_shown_and_verified(ini, run, make_company, tmp_path):
    secret = new_secret()
    listening = run(ini, 'listen', '--secret', secret, '--count', '1')
    url = url_of(listening)
    company = make_company()
    company.subscribe('/', url + 'hooks?a=b', secret=secret)
    company.add('/NWS/OUN', 'ann')
    assert 'POST /hooks?a=b' in listening.stdout.until('POST')
    assert listening.stdout.until('signature').split() == ['signature', 'valid']
    assert json.loads(listening.stdout.until('{')) == {'name': 'ann', 'age': 30}
    assert listening.wait() == 0
    company.settle()
    assert company.attempts('/')[0][0] == 'successful'


def test_tls_with_a_public_key_and_json_for_programs(ini, run, make_company, monkeypatch):
    secret = new_secret('v1a')
    company = make_company()
    id = company.subscribe('/', 'https://127.0.0.1:1/', secret=secret)
    public = company.at('/', lambda manager: manager[id].public_keys[0])
    listening = run(
        ini, 'listen', '--tls', '--json', '--secret', public, '--answer', '503', '--count', '1'
    )
    url = url_of(listening)
    bundle = listening.stderr.until('ca_bundle').split()[-1]
    company.restart(settings={**company.settings, 'webhooks.ca_bundle': bundle})
    company.at('/', lambda manager: manager.change(manager[id], to=url))
    company.add('/NWS/OUN', 'ann')
    shown = json.loads(listening.stdout.until('{'))
    assert (shown['signature'], shown['answer'], shown['method']) == ('valid', 503, 'POST')
    assert json.loads(shown['body']) == {'name': 'ann', 'age': 30}
    assert shown['headers']['webhook-id'].startswith('msg_')
    assert listening.wait() == 0


def test_a_wrong_signature_is_told_and_is_the_exit_code(ini, run):
    listening = run(ini, 'listen', '--secret', new_secret(), '--json', '--count', '2')
    url = url_of(listening)
    requests.post(url, b'\xff\x00', headers={'X-Token': 'hidden'}, timeout=10)
    first = json.loads(listening.stdout.until('{'))
    assert (first['signature'], first['encoding'], first['body']) == ('unsigned', 'base64', '/wA=')
    assert first['headers']['X-Token'] == '…'
    requests.post(url, b'', headers={'webhook-signature': 'v1,x', 'webhook-id': 'a'}, timeout=10)
    second = json.loads(listening.stdout.until('{'))
    assert second['signature'] == 'wrong' and 'timestamp' in second['reason']
    assert listening.wait() == 1


def test_what_arrives_can_not_command_the_terminal(ini, run):
    listening = run(ini, 'listen', '--count', '1')
    requests.post(url_of(listening), b'\x1b]0;title\x07{\xc2\x9b}', timeout=10)
    line = listening.stdout.until('title')
    assert line.strip() == r'\x1b]0;title\x07{\x9b}'


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_sigterm_and_ctrl_c_end_it_well(ini, run, number):
    listening = run(ini, 'listen')
    url_of(listening)
    listening.signal(number)
    assert listening.wait() == 0
    assert 'Traceback' not in '\n'.join(listening.stderr.read)


def test_a_secret_that_is_none_is_refused_and_not_shown(ini, commands, monkeypatch):
    err = commands.refused('listen', '--secret', 'whsec_hidden', code=2)
    assert 'hidden' not in err
    monkeypatch.setenv('PWEBHOOKS_SECRET', 'whpk_hidden')
    err = commands.refused('listen', code=2)
    assert 'public key' in err and 'hidden' not in err


def test_a_port_that_is_taken_is_named(ini, commands, receiver):
    err = commands.refused('listen', '--port', str(receiver.port), code=2)
    assert str(receiver.port) in err


def test_the_first_request_is_shown_however_soon_it_comes(ini, monkeypatch, capsys):
    """It may come as soon as the port is open, before anybody was told which one."""
    start = Receiver.start

    def start_and_post(receiver):
        started = start(receiver)
        requests.post(receiver.url, b'soon', timeout=10)
        return started

    monkeypatch.setattr(Receiver, 'start', start_and_post)
    assert main([ini, 'listen', '--count', '1']) == 0
    assert 'soon' in capsys.readouterr().out
