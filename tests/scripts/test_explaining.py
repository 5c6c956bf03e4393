"""``pwebhooks explain``."""

import re

import pytest

TO = 'https://a.example/'


@pytest.fixture
def ids(commands):
    company = commands.open()
    company.add('/NWS/OUN', 'ann')
    return {
        'applicable': company.subscribe('/', TO, owner='president'),
        'refused': company.subscribe('/', TO, owner='outsider'),
        'other': company.subscribe('/NWS', TO, events=['company.closed']),
    }


def test_each_subscription_is_told_whether_it_would_get_the_event_and_why(commands, ids):
    titles, *rows = (
        re.split(' {2,}', line)
        for line in commands.done('explain', '/NWS/OUN/ann', 'employee.modified')
    )
    assert titles == ['GETS IT', 'SUBSCRIPTION', 'OWNER', 'REASON']
    found = {row[1].rpartition('/')[2]: (row[0], row[3]) for row in rows}
    assert found[ids['applicable']] == ('yes', 'It gets the event as employee.modified.')
    assert found[ids['refused']][0] == 'no'
    assert found[ids['refused']][1].startswith('It is not applicable: ')
    assert found[ids['other']] == ('no', 'It is for other events: company.closed.')


def test_that_the_event_never_happens_to_the_resource_is_said(commands, ids):
    """It may be asked for a folder before there is anything in it."""
    lines = commands.done('explain', '/NWS/OUN', 'employee.added')
    (gets_it,) = (line for line in lines if line.startswith('yes'))
    assert 'as employee.added. But it never happens to this resource' in gets_it


def test_the_same_as_json(commands, ids):
    explained = commands.json('explain', '/NWS/OUN/ann', 'employee.modified')['explained']
    assert {each['subscription']['id']: each['would_get_it'] for each in explained} == {
        ids['applicable']: True,
        ids['refused']: False,
        ids['other']: False,
    }


def test_an_event_that_nobody_would_get_is_told_by_the_exit_code(commands, ids):
    company = commands.open()
    company.at('/', lambda manager: manager.deactivate(manager[ids['applicable']], 'Too loud.'))
    text = '\n'.join(commands.done('explain', '/NWS/OUN/ann', 'employee.modified', code=1))
    assert 'It is not active: Too loud.' in text


def test_a_subscription_of_the_configuration_is_shown_where_it_is_found(commands, ids):
    with open(commands.ini, 'a') as ini:
        ini.write('webhooks.subscriptions = audit\nwebhooks.subscription.audit.events = *\n')
        ini.write('webhooks.subscription.audit.to = https://audit.example/\n')
    commands()
    explained = commands.json('explain', '/NWS/OUN/ann', 'employee.modified')['explained']
    assert explained[-1]['subscription']['path'] == '/__webhooks__/audit'


def test_wrong_input_is_answered_with_a_sentence(commands, ids):
    assert "'/NWS/bob'" in commands.refused('explain', '/NWS/bob', 'employee.added')
    assert 'employee.greeted' in commands.refused('explain', '/NWS/OUN/ann', 'x.y', code=2)
