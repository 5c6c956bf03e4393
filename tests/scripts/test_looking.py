"""``pwebhooks list``, ``show`` and ``attempts``."""

import re

import pytest

TO = 'https://a.example/'
AUDIT = {
    'webhooks.subscriptions': 'audit',
    'webhooks.subscription.audit.to': 'https://audit.example/',
    'webhooks.subscription.audit.events': '*',
}


@pytest.fixture
def ids(commands):
    """Subscriptions in three folders, by where they are."""
    company = commands.open()
    return {
        path: company.subscribe(path, TO, owner=owner, description=f'at {path}')
        for path, owner in (('/', 'president'), ('/NWS', 'head'), ('/NWS/OUN', None))
    }


def columns(line):
    return re.split(r' {2,}', line)


def test_all_subscriptions_are_listed_in_aligned_columns(commands, ids):
    lines = commands.done('list')
    titles, *rows = map(columns, lines)
    assert titles == ['ID', 'ACTIVE', 'KIND', 'FOLDER', 'OWNER', 'EVENTS', 'TO']
    assert sorted((row[0], row[3], row[4]) for row in rows) == sorted(
        (ids[path], path, owner)
        for path, owner in zip(ids, ('president', 'head', '-'), strict=True)
    )
    starts = {line.index('employee.*') for line in lines[1:]}
    assert starts == {lines[0].index('EVENTS')}


def test_less_is_listed_where_less_is_asked_for(commands, ids):
    for options, expected in (
        (['/NWS'], ['/NWS']),
        (['NWS/'], ['/NWS']),
        (['/NWS/__webhooks__'], ['/NWS']),
        (['/NWS/NCA'], []),
        (['--owner', 'head'], ['/NWS']),
        (['--event', 'employee.added'], ['/', '/NWS', '/NWS/OUN']),
        (['--event', 'company.closed'], []),
        (['--active'], ['/', '/NWS', '/NWS/OUN']),
        (['--inactive'], []),
    ):
        listed = commands.json('list', *options)
        found = sorted(each['id'] for each in listed['subscriptions'])
        assert (options, found) == (options, sorted(ids[path] for path in expected))
        assert listed['next'] is None


def test_pages_are_turned_with_the_cursor_that_is_told(commands, ids):
    first = commands.json('list', '--limit', '2')
    rest = commands.json('list', '--after', first['next'])
    found = [each['id'] for page in (first, rest) for each in page['subscriptions']]
    assert sorted(found) == sorted(ids.values())
    assert commands.done('list', '--limit', '2')[-1] == f'There are more: --after {first["next"]}'
    assert 'no subscription' in commands.refused('list', '--after', 'sub_nobody')


def test_json_has_the_keys_of_the_rest_interface(commands, ids):
    (shown,) = commands.json('list', '/NWS')['subscriptions']
    assert shown == commands.json('show', ids['/NWS'])
    assert set(shown) == {
        *('id', 'url', 'path', 'kind', 'to', 'events', 'for', 'when', 'owner', 'permission'),
        *('dialect', 'active', 'status_message', 'headers', 'description', 'created'),
        *('modified', 'attempts_url'),
    }
    assert shown['path'] == f'/NWS/__webhooks__/{ids["/NWS"]}'


def test_a_subscription_is_shown_by_its_id_and_by_its_path(commands, ids):
    by_path = commands.done('show', f'/NWS/OUN/__webhooks__/{ids["/NWS/OUN"]}')
    assert commands.done('show', ids['/NWS/OUN']) == by_path
    assert ['description', 'at /NWS/OUN'] in map(columns, by_path)
    assert ['owner', '-'] in map(columns, by_path)


def test_secrets_are_not_shown(commands):
    company = commands.open()
    headers = {'Authorization': 'Bearer hidden', 'X-Kind': 'test'}
    id = company.subscribe('/', TO, headers=headers)
    secret = company.at('/', lambda manager: manager[id].secrets[0])
    text = '\n'.join(commands.done('show', id) + commands.done('show', id, '--json'))
    assert 'X-Kind' in text and 'hidden' not in text and secret not in text


def test_subscriptions_of_the_configuration_are_listed_with_the_others(commands, ids):
    with open(commands.ini, 'a') as ini:
        ini.writelines(f'{name} = {value}\n' for name, value in AUDIT.items())
    commands()
    first = commands.json('list')['subscriptions'][0]
    assert (first['id'], first['kind'], first['path']) == (
        'audit',
        'global',
        '/__webhooks__/audit',
    )
    assert commands.json('show', 'audit') == first
    assert [each['id'] for each in commands.json('list', '/')['subscriptions']] == [
        'audit',
        ids['/'],
    ]
    assert len(commands.json('list', '/NWS')['subscriptions']) == 1


def test_what_was_in_a_removed_folder_is_not_listed(commands, ids):
    company = commands.open()
    company.transact(lambda root: root['NWS'].__delitem__('OUN'))
    listed = [each['id'] for each in commands.json('list')['subscriptions']]
    assert sorted(listed) == sorted([ids['/'], ids['/NWS']])


def test_what_is_no_subscription_is_said_not_to_be_one(commands, ids):
    for name in ('sub_nobody', '/nowhere/__webhooks__/x', '/NWS', '/NWS/__webhooks__', '/'):
        for command in ('show', 'attempts', 'ping'):
            assert repr(name) in commands.refused(command, name)


def test_what_is_no_folder_has_no_list(commands, ids):
    commands.open().add('/NWS/OUN', 'ann')
    for path in ('/nowhere', 'NWS/nobody', '/NWS/OUN/ann', '/NWS/OUN/ann/name'):
        assert repr(path) in commands.refused('list', path)


def test_an_unknown_event_is_answered_with_those_there_are(commands):
    commands.open()
    assert 'employee.added' in commands.refused('list', '--event', 'employee.added2', code=2)


@pytest.mark.parametrize(
    'command', [['attempts'], ['retry', '--failed']], ids=lambda each: each[0]
)
def test_so_is_one_that_no_attempt_is_of(commands, command):
    id = commands.open().subscribe('/', 'https://a.example/')
    name, *options = command
    arguments = name, id, *options, '--event', 'employee.added2'
    assert 'employee.added' in commands.refused(*arguments, code=2)


@pytest.fixture
def tried(commands, receiver):
    """A subscription with an attempt that failed, and one that is owed."""
    company = commands.open(settings={**commands.company.settings, 'webhooks.delivery': 'process'})
    receiver.answer(500, body=b'\x1b[31mred\x07 alert\n')
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    receiver.wait_for(4)
    company.settle()
    commands.open(settings={**company.settings, 'webhooks.delivery': 'worker'})
    company.add('/NWS/OUN', 'ben')
    return id


def test_attempts_are_listed_the_oldest_first(commands, tried):
    titles, *rows = map(columns, commands.done('attempts', tried))
    assert titles == ['ID', 'EVENT', 'STATUS', 'CREATED', 'DUE', 'RESOLVED', 'MESSAGE']
    assert [row[2] for row in rows] == ['failed'] * 4 + ['pending']
    assert rows[0][6] == '500 Internal Server Error' and rows[4][5] == '-'
    listed = commands.json('attempts', tried)
    assert [each['id'] for each in listed['attempts']] == [row[0] for row in rows]
    assert listed['next'] is None


def test_attempts_are_listed_by_status_event_and_page(commands, tried):
    (pending,) = commands.json('attempts', tried, '--status', 'pending')['attempts']
    assert pending['message'] == 'Waiting to be sent.'
    assert commands.json('attempts', tried, '--event', 'employee.removed')['attempts'] == []
    first = commands.json('attempts', tried, '--limit', '4')
    rest = commands.json('attempts', tried, '--after', first['next'])
    assert (len(first['attempts']), rest['attempts']) == (4, [pending])
    assert 'nobody' in commands.refused('attempts', tried, '--after', 'nobody')


def test_what_receivers_answer_can_not_command_the_terminal(commands, tried):
    first = commands.json('attempts', tried)['attempts'][0]
    assert first['response']['content'] == '\x1b[31mred\x07 alert\n'
    text = '\n'.join(commands.done('show', tried, first['id']))
    assert r'\x1b[31mred\x07 alert' in text
    assert '\x1b' not in text and '\x07' not in text
    assert commands.json('show', tried, first['id']) == first
    assert 'no attempt' in commands.refused('show', tried, 'msg_nobody-1')
