"""``pwebhooks ping`` and ``recover``."""

import json
import re
import time

import pytest

from pyramid_webhooks.outbox.ownership import ProcessRecord
from pyramid_webhooks.outbox.root import outbox_of
from tests.company import wait_until
from tests.scripts.site import write_ini


@pytest.fixture
def ini(shared, tmp_path):
    return write_ini(
        tmp_path / 'site.ini',
        zodbconn__uri=shared,
        webhooks__delivery='worker',
        webhooks__retry_schedule='',
        webhooks__timeout='5',
    )


def test_a_ping_is_owed_and_whoever_sends_later_sends_it(commands, receiver):
    company = commands.open()
    id = company.subscribe('/', receiver.url)
    lines = commands.done('ping', id, code=1)
    assert lines[0].endswith('-1: Waiting to be sent.')
    assert lines[1] == 'No process sends at the moment; the next one that does will send it.'
    assert commands.done('ping', id, '--no-wait')[1:] == lines[1:]
    assert receiver.requests == []
    company = commands.open(settings={**commands.company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    assert [(each[0], each[3]) for each in company.attempts('/')] == [
        ('successful', 'webhook.ping')
    ] * 2


def test_a_ping_waits_for_what_came_of_it(web, ini, run, receiver):
    id = web.subscribe('/', receiver.url)
    worker = run(ini, 'worker')
    worker.stderr.until('Sending to 64')
    pinged = run(ini, 'ping', id)
    assert pinged.stdout.until('msg_').endswith('-1: 200 OK')
    assert pinged.wait() == 0
    receiver.answer(404)
    pinged = run(ini, 'ping', id, '--json')
    assert pinged.wait() == 1
    pinged.close()
    shown = json.loads(''.join(drained(pinged.stdout)))
    assert (shown['status'], shown['message'], shown['event']) == (
        'failed',
        '404 Not Found',
        'webhook.ping',
    )


def drained(lines):
    with pytest.raises(AssertionError):
        lines.until('never')
    return lines.read


def test_an_inactive_subscription_is_not_pinged(commands):
    company = commands.open()
    id = company.subscribe('/', 'https://a.example/')
    company.at('/', lambda manager: manager.deactivate(manager[id]))
    assert 'not active' in commands.refused('ping', id)


def test_a_recovery_shows_how_far_it_is(web, ini, run, receiver):
    id = web.subscribe('/', receiver.url)
    receiver.answer(404)
    worker = run(ini, 'worker')
    worker.stderr.until('Sending to 64')
    for name in ('ann', 'ben', 'cid'):
        web.add('/NWS/OUN', name)
    wait_until(lambda: [each[0] for each in web.attempts('/')] == ['failed'] * 3)
    receiver.answer(200)
    recovering = run(ini, 'recover', id, '--since', '1h', '--wait')
    assert recovering.wait() == 0
    recovering.stdout.until('3 deliveries are owed again, in order.')
    recovering.stderr.until('3 of 3 deliveries tried again')
    assert [each[0] for each in web.attempts('/')].count('successful') == 3


def test_what_a_recovery_could_do_is_told(commands, receiver):
    company = commands.open(
        settings={
            **commands.company.settings,
            'webhooks.delivery': 'process',
            'webhooks.retry_schedule': '',
        }
    )
    receiver.answer(404)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann', 'ben')
    company.settle()
    assert commands.json('recover', id, '--since', '2100-01-01T00:00:00Z', code=1) == {
        'count': 0,
        'unreachable': 0,
        'unreachable_until': None,
    }
    lines = commands.done('recover', id, '--since', '2000-01-01')
    assert lines == [
        '2 deliveries are owed again, in order.',
        'No process sends at the moment; the next one that does will send them.',
    ]
    assert re.search('no subscription', commands.refused('recover', 'sub_x', '--since', '2h'))


def test_a_process_that_was_killed_long_ago_is_not_waited_for(commands, receiver):
    settings = {**commands.company.settings, 'webhooks.retry_schedule': ''}
    company = commands.open(settings={**settings, 'webhooks.delivery': 'process'})
    receiver.answer(404)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    company.settle()

    def be_dead_for_a_minute(root):
        record = ProcessRecord('elsewhere', 1, None)
        record.heartbeat = time.time() - 60
        outbox_of(root._p_jar).processes['dead'] = record

    company = commands.open(settings=settings)
    company.transact(be_dead_for_a_minute)
    started = time.monotonic()
    nobody = 'No process sends at the moment; the next one that does will send '
    assert commands.done('ping', id, code=1)[1] == nobody + 'it.'
    assert commands.done('recover', id, '--since', '2000-01-01', '--wait')[-1] == nobody + 'them.'
    assert time.monotonic() - started < 10
