"""When a user goes, the user's subscriptions go."""

import pytest
from pyramid.exceptions import ConfigurationError

from pyramid_webhooks import manager_of
from pyramid_webhooks.interfaces import (
    ISubscriptionDeactivated,
    ISubscriptionRemoved,
    IWebhookOwner,
)
from tests.company import Employee, IEmployee, IPromoted, Promoted, remove


class Owner:
    def __init__(self, employee):
        self.owner_id = employee.name


def by_adapter(config):
    config.add_webhook_owner_removal(IEmployee)
    config.registry.registerAdapter(Owner, (IEmployee,), IWebhookOwner)


def fire_ann(company, status=None):
    def do(context, request):
        remove(context, 'ann', request.registry.notify)

    return company.request(do, '/NWS/OUN', status=status)


def populate(company, receiver):
    company.add('/NWS/OUN', 'ann', 'ben')
    for path in ('/', '/NWS', '/NWS/NCA'):
        company.subscribe(path, receiver.url, owner='ann')
        company.subscribe(path, receiver.url, owner='ben')
        company.subscribe(path, receiver.url)


def owners(company):
    def look(root):
        folders = (root, root['NWS'], root['NWS']['NCA'])
        return [[each.owner for each in manager_of(folder).values()] for folder in folders]

    return company.transact(look)


@pytest.mark.parametrize(
    'setup',
    [
        by_adapter,
        lambda config: config.add_webhook_owner_removal(
            Employee, owner_id=lambda employee: employee.name
        ),
    ],
)
def test_they_go_everywhere_in_the_same_transaction(make_company, receiver, setup):
    company = make_company(setup=setup)
    populate(company, receiver)
    fire_ann(company)
    assert owners(company) == [['ben', None]] * 3


def test_they_stay_when_the_transaction_is_aborted(make_company, receiver):
    company = make_company(setup=by_adapter)
    populate(company, receiver)

    def do(context, request):
        remove(context, 'ann', request.registry.notify)
        request.response.status_int = 500
        return request.response

    company.request(do, '/NWS/OUN', status=500)
    assert owners(company) == [['ann', 'ben', None]] * 3


def test_the_application_chooses_the_event(make_company, receiver):
    company = make_company(
        setup=lambda config: config.add_webhook_owner_removal(
            IEmployee, IPromoted, owner_id=lambda employee: employee.name
        )
    )
    populate(company, receiver)
    company.request(
        lambda context, request: request.registry.notify(Promoted(context['ann'])), '/NWS/OUN'
    )
    assert owners(company) == [['ben', None]] * 3


def test_who_has_no_known_userid_may_go_all_the_same(make_company, receiver, caplog):
    company = make_company(setup=lambda config: config.add_webhook_owner_removal(IEmployee))
    populate(company, receiver)
    fire_ann(company)
    assert owners(company) == [['ann', 'ben', None]] * 3
    assert 'Nobody knows the userid' in caplog.text


@pytest.mark.parametrize('interface', [ISubscriptionDeactivated, ISubscriptionRemoved])
def test_a_handler_that_fails_keeps_none_of_them(make_company, receiver, interface):
    def fail(event):
        raise RuntimeError('no handler')

    def setup(config):
        by_adapter(config)
        config.add_subscriber(fail, interface)

    company = make_company(setup=setup)
    populate(company, receiver)
    fire_ann(company)
    assert owners(company) == [['ben', None]] * 3


@pytest.mark.parametrize(
    ('arguments', 'field'),
    [((None,), 'for_'), ((5,), 'for_'), ((IEmployee, 5), 'when'), ((IEmployee, None), 'when')],
)
def test_what_can_not_be_used_is_a_configuration_error(make_company, arguments, field):
    with pytest.raises(ConfigurationError, match=f'{field}: '):
        make_company(setup=lambda config: config.add_webhook_owner_removal(*arguments))
