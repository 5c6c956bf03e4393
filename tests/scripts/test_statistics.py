"""``pwebhooks stats``."""

import re
import socket

import pytest

from pyramid_webhooks.scripts.statistics import spans
from tests.company import wait_until
from tests.scripts.site import write_ini

TO = 'https://a.example/'


def fields(lines):
    return dict(re.split(' {2,}', line, maxsplit=1) for line in lines if '  ' in line)


def test_what_is_owed_is_counted_and_what_is_held_is_told_apart(commands):
    company = commands.open()
    held = company.subscribe('/', TO)
    company.subscribe('/NWS', TO)
    company.add('/NWS/OUN', 'ann', 'ben')
    company.at('/', lambda manager: manager.deactivate(manager[held]))
    sending = {**commands.company.settings, 'webhooks.delivery': 'process'}
    unreachable = {**sending, 'webhooks.allowed_networks': '127.0.0.0/8'}
    company = commands.open(settings={**unreachable, 'webhooks.retry_schedule': '1h'})
    wait_until(lambda: [each[:2] for each in company.attempts('/NWS')].count(('pending', 2)) == 2)
    wait_until(lambda: commands_owed(company) == 4)
    shown = commands.json('stats')
    assert (shown['owed'], shown['held'], shown['workers']) == (4, 2, [])
    assert shown['oldest'] is not None
    found = fields(commands.done('stats'))
    assert (found['owed'], found['held']) == ('4', '2')
    assert found['partitions owned'] == '0 of 64'


def commands_owed(company):
    return len(company.attempts('/')) + len(
        [each for each in company.attempts('/NWS') if each[0] == 'pending']
    )


def test_where_nothing_is_owed_there_is_no_oldest(commands):
    commands.open()
    shown = commands.json('stats')
    assert shown == {'owed': 0, 'held': 0, 'oldest': None, 'rate': 0, 'workers': []}
    assert fields(commands.done('stats'))['oldest not held'] == '-'


def test_one_subscription_has_figures_of_its_own(commands, receiver):
    company = commands.open(settings={**commands.company.settings, 'webhooks.delivery': 'process'})
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann', 'ben')
    company.settle()
    shown = commands.json('stats', id)
    assert (shown['sent'], shown['failed'], shown['pending']) == (2, 0, 0)
    assert shown['last_success'] and shown['last_failure'] is None and shown['p95'] > 0
    found = fields(commands.done('stats', f'/__webhooks__/{id}'))
    assert (found['sent'], found['last failure']) == ('2', '-')
    assert 'sub_x' in commands.refused('stats', 'sub_x')


def test_workers_are_listed_with_what_they_own_and_how_fast_they_are(
    web, shared, tmp_path, run, receiver
):
    ini = write_ini(
        tmp_path / 'site.ini',
        zodbconn__uri=shared,
        webhooks__delivery='worker',
        webhooks__lease='3',
    )
    web.subscribe('/', receiver.url)
    workers = [run(ini, 'worker') for _ in range(2)]
    for worker in workers:
        worker.stderr.until('Sending to 32 of the 64')
    web.add('/NWS/OUN', *(f'employee-{number}' for number in range(20)))
    web.settle()

    def rows():
        shown = run(ini, 'stats')
        assert shown.wait() == 0
        shown.stdout.until('HOST')
        return [re.split(' {2,}', shown.stdout.until(socket.gethostname())) for _ in workers]

    def any_rate():
        found = rows()
        return found if any(float(row[3]) > 0 for row in found) else None

    found = wait_until(any_rate, 30)
    assert {int(row[1]) for row in found} == {worker.pid for worker in workers}
    assert all(row[4].startswith('32: ') for row in found)


@pytest.mark.parametrize(
    'numbers, text', [((), ''), ((5,), '5'), ((0, 1, 2, 7, 9, 8), '0-2, 7-9'), ((1, 3), '1, 3')]
)
def test_neighbours_are_written_as_spans(numbers, text):
    assert spans(numbers) == text
