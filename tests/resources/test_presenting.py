"""What is shown of a subscription is what it is, whenever and wherever it was changed."""

import pytest
import transaction

from pyramid_webhooks import manager_of
from pyramid_webhooks.resources.presenting import subscription_json


@pytest.fixture
def id(company, receiver):
    return company.subscribe('/', receiver.url, headers={'X-Token': 'secret'})


def description(subscription, request):
    return subscription_json(subscription, request)['description']


def change(manager, id, text):
    manager.change(manager[id], description=text)


def begin_anew(manager):
    manager.abort()
    manager.begin()


@pytest.mark.parametrize(
    ('field', 'value', 'shown'),
    [
        ('description', 'mine', 'mine'),
        ('events', ['employee.added'], ['employee.added']),
        ('headers', {'X-Api-Key': 'abc', 'X-Team': 'a'}, {'X-Api-Key': '…', 'X-Team': 'a'}),
        ('to', 'https://new.example/', 'https://new.example/'),
    ],
)
def test_a_change_is_seen_at_once(company, id, field, value, shown):
    def do(context, request):
        manager = manager_of(context)
        before = subscription_json(manager[id], request)
        manager.change(manager[id], **{field: value})
        after = subscription_json(manager[id], request)
        return [name for name in after if after[name] != before[name]], after[field]

    assert company.request(do) == [[field, 'modified'], shown]


def test_so_is_that_it_was_deactivated_and_why(company, id):
    def do(context, request):
        manager = manager_of(context)
        subscription_json(manager[id], request)
        manager.deactivate(manager[id], 'For now.')
        shown = subscription_json(manager[id], request)
        return shown['active'], shown['status_message']

    assert company.request(do) == [False, 'For now.']


def test_what_was_rolled_back_is_not_shown(company, id):
    def do(context, request):
        manager = manager_of(context)
        shown = [description(manager[id], request)]
        change(manager, id, 'first')
        savepoint = request.tm.savepoint()
        shown.append(description(manager[id], request))
        change(manager, id, 'second')
        request.tm.savepoint()
        shown.append(description(manager[id], request))
        savepoint.rollback()
        shown.append(description(manager[id], request))
        begin_anew(request.tm)
        shown.append(description(manager[id], request))
        return shown

    assert company.request(do) == ['', 'first', 'second', 'first', '']


def test_what_another_process_committed_is_shown_from_the_next_transaction_on(company, id):
    def look(context, request):
        other = transaction.TransactionManager()
        manager = manager_of(context)
        shown = [description(manager[id], request)]
        connection = company.database.open(other)
        change(manager_of(connection.root()['company']), id, 'theirs')
        other.commit()
        connection.close()
        shown.append(description(manager[id], request))
        begin_anew(request.tm)
        shown.append(description(manager[id], request))
        return shown

    assert company.request(look) == ['', '', 'theirs']


def test_who_changes_what_they_were_shown_changes_nothing_else(company, id):
    def do(context, request):
        subscription = manager_of(context)[id]
        shown = subscription_json(subscription, request)
        shown['description'] = 'spoiled'
        shown['headers']['X-Team'] = 'spoiled'
        shown['events'].append('spoiled')
        shown = subscription_json(subscription, request)
        return [shown[name] for name in ('description', 'headers', 'events')]

    assert company.request(do) == ['', {'X-Token': '…'}, ['employee.*']]
