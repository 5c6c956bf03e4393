"""Subscriptions to something whose dotted name is gone: they fail loudly, and alone."""

import pytest

from pyramid_webhooks import explain_event, manager_of, subscribe
from pyramid_webhooks.resources.arguments import Wanted
from tests.company import Employee, add

GONE = 'tests.company.Contractor'


@pytest.fixture
def company(company, receiver):
    def do(context, request):
        subscription = subscribe(context, receiver.url, for_=Employee)
        manager = manager_of(context)
        manager.index.discard(subscription.wanted.keys(), subscription.id)
        subscription.wanted = Wanted(None, GONE, subscription.when_name)
        manager.index.add(subscription.wanted.keys(), subscription.id)

    company.request(do, '/NWS/OUN')
    company.subscribe('/NWS/OUN', receiver.url)
    return company


def test_the_others_get_theirs(company, receiver):
    company.add('/NWS/OUN', 'ann')
    company.settle()
    assert len(receiver.requests) == 1


def test_asking_for_the_type_says_what_is_missing_and_what_to_do(company):
    def look(manager):
        renamed, other = manager.values()
        with pytest.raises(ImportError, match=f'{renamed.id} is for {GONE}, which can not be'):
            renamed.for_  # noqa: B018
        return renamed.for_name, other.for_

    assert company.at('/NWS/OUN', look) == (GONE, None)


def test_explaining_says_so_too(company):
    def explain(context, request):
        employee = add(context, 'ann', lambda event: None)
        return [why for _, _, why in explain_event(employee, 'employee.added', request)]

    renamed, other = company.request(explain, '/NWS/OUN')
    assert f'is for {GONE}, which can not be imported any more' in renamed
    assert other == 'It gets the event as employee.added.'


def test_it_can_be_removed(company):
    ids = company.at('/NWS/OUN', lambda manager: list(manager))

    def remove(context, request):
        del manager_of(context)[ids[0]]

    company.request(remove, '/NWS/OUN')
    assert company.at('/NWS/OUN', lambda manager: list(manager)) == ids[1:]
