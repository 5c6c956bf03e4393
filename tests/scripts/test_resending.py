"""``pwebhooks retry``."""

import itertools

import pytest


@pytest.fixture
def failed(commands, receiver):
    """A subscription, and the attempts of 60 messages that failed for good."""
    sending = {
        'webhooks.delivery': 'process',
        'webhooks.retry_schedule': '',
        'webhooks.attempt_limit': '100',
        'webhooks.concurrency_per_subscription': '1',
    }
    settings = commands.company.settings
    company = commands.open(settings={**settings, **sending})
    # A receiver that fails five times in a row would be left alone for a while.
    numbers = itertools.count(1)
    receiver.answer(lambda request: 404 if next(numbers) % 5 else 200)
    id = company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', *(f'employee-{number}' for number in range(75)))
    company.settle()
    company.stop()
    company.settings = settings
    attempts = commands.json('attempts', id, '--status', 'failed')['attempts']
    assert len(attempts) == 60
    return id, [each['id'] for each in attempts]


def pending(commands, id):
    return commands.json('attempts', id, '--status', 'pending')['attempts']


def test_an_attempt_is_sent_again_under_the_same_message_id(commands, failed, receiver):
    id, attempts = failed
    assert commands.done('retry', id, attempts[0]) == ['1 message is owed again, now.']
    (made,) = pending(commands, id)
    assert (made['message_id'], made['number']) == (attempts[0].rpartition('-')[0], 2)
    receiver.answer(200)
    company = commands.open(settings={**commands.company.settings, 'webhooks.delivery': 'process'})
    company.settle()
    (found,) = [each for each in company.attempts('/') if each[1] == 2]
    assert (found[0], found[4]) == ('successful', made['message_id'])


def test_all_that_failed_is_sent_again_with_progress(commands, failed):
    id, attempts = failed
    code, out, err = commands('retry', id, '--failed')
    assert (code, out) == (0, '60 messages are owed again, now.\n')
    assert err == '60 of 60 messages\n'
    assert len(pending(commands, id)) == 60
    assert commands.done('retry', id, '--failed', code=1) == ['0 messages are owed again, now.']


def test_only_what_is_wanted_of_what_failed_is_sent_again(commands, failed):
    id, _ = failed
    commands.done('retry', id, '--failed', '--event', 'employee.removed', code=1)
    commands.done('retry', id, '--failed', '--since', '2100-01-01', code=1)
    assert pending(commands, id) == []
    found = commands('retry', id, '--failed', '--since', '1h', '--event', 'employee.added')
    assert (found[0], len(pending(commands, id))) == (0, 60)


def test_what_can_not_be_sent_again_is_told_and_the_rest_is_done(commands, failed):
    id, attempts = failed
    commands.done('retry', id, attempts[0])
    answer = commands.json('retry', id, attempts[0], attempts[1])
    assert [each['message_id'] for each in answer['attempts']] == [attempts[1].rpartition('-')[0]]
    assert 'already waiting' in answer['refused'][attempts[0]]
    waiting = pending(commands, id)[0]['id']
    assert commands.done('retry', id, waiting, code=1)[0] == (
        f'{waiting}: This attempt has not been made yet.'
    )


@pytest.mark.parametrize(
    'options, said',
    [
        ([], 'Name the attempts'),
        (['x', '--failed'], 'Name the attempts'),
        (['x', '--event', 'employee.added'], 'go with --failed'),
        (['x', '--since', '1h'], 'go with --failed'),
    ],
)
def test_options_that_contradict_each_other_are_refused(commands, options, said):
    assert said in commands.refused('retry', 'sub_x', *options, code=2)


def test_an_attempt_that_is_not_there_is_said_not_to_be(commands, failed):
    assert 'msg_nobody-1' in commands.refused('retry', failed[0], 'msg_nobody-1')
