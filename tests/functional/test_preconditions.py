"""Subscriptions whose owner nobody knows are deactivated, after a while."""

import pytest

from pyramid_webhooks import manager_of
from pyramid_webhooks.interfaces import IPreconditionLimitReached, ISubscriptionDeactivated
from tests.company import Security, WithoutVerdicts, add, wait_until

LIMIT = 5
MESSAGE = 'Delivery suspended due to too many precondition failures.'
SETTINGS = {'webhooks.precondition_limit': str(LIMIT)}


@pytest.fixture
def events():
    return []


@pytest.fixture
def company(make_company, events):
    def setup(config):
        config.add_subscriber(events.append, ISubscriptionDeactivated)
        config.add_subscriber(events.append, IPreconditionLimitReached)

    return make_company(settings=SETTINGS, setup=setup)


def state(company, path='/NWS/OUN'):
    def look(manager):
        [subscription] = manager.values()
        return subscription.active, subscription.status_message

    return company.at(path, look)


def failures(company):
    return company.at(
        '/NWS/OUN', lambda manager: [each.log.preconditions_failed for each in manager.values()]
    )


def hire(company, count, start=0):
    company.add('/NWS/OUN', *(f'n{number}' for number in range(start, start + count)))
    company.settle()


def hearing(make_company, handler, event):
    """A company with a handler of an event."""
    return make_company(
        settings=SETTINGS, setup=lambda config: config.add_subscriber(handler, event)
    )


def fail(event):
    raise RuntimeError('no handler')


def test_too_many_events_for_an_unknown_owner_deactivate_a_subscription(company, receiver, events):
    company.subscribe('/NWS/OUN', receiver.url, owner='nobody-knows')
    hire(company, LIMIT - 1)
    assert failures(company) == [LIMIT - 1]
    assert state(company)[0]
    hire(company, 1, start=LIMIT)
    assert state(company) == (False, MESSAGE)
    reached, deactivated = events
    assert IPreconditionLimitReached.providedBy(reached)
    assert deactivated.message == MESSAGE
    assert receiver.requests == []
    assert company.attempts('/NWS/OUN') == []


def test_a_handler_may_reset_the_count(make_company, receiver):
    company = hearing(make_company, lambda event: event.reset(), IPreconditionLimitReached)
    company.subscribe('/NWS/OUN', receiver.url, owner='nobody-knows')
    hire(company, LIMIT + 1)
    assert failures(company) == [0]
    assert state(company)[0]


def test_a_handler_that_fails_resets_nothing(make_company, receiver):
    company = hearing(make_company, fail, IPreconditionLimitReached)
    company.subscribe('/NWS/OUN', receiver.url, owner='nobody-knows')
    hire(company, LIMIT)
    assert state(company) == (False, MESSAGE)


def test_a_denied_owner_is_normal_and_counts_nothing(company, receiver):
    company.subscribe('/NWS/OUN', receiver.url, owner='outsider')
    hire(company, LIMIT + 1)
    assert failures(company) == [0]
    assert state(company)[0]


def test_activating_counts_anew(company, receiver):
    company.subscribe('/NWS/OUN', receiver.url, owner='nobody-knows')
    hire(company, LIMIT)

    def activate(context, request):
        manager = manager_of(context)
        [subscription] = manager.values()
        manager.activate(subscription)

    company.request(activate, '/NWS/OUN')
    company.settle()
    assert failures(company) == [0]
    hire(company, LIMIT - 1, start=LIMIT)
    assert state(company)[0]


def test_an_aborted_transaction_counts_nothing(company, receiver):
    company.subscribe('/NWS/OUN', receiver.url, owner='nobody-knows')

    def fail(context, request):
        savepoint = request.tm.savepoint()
        add(context, 'kept', request.registry.notify)
        savepoint.rollback()
        add(context, 'vetoed', request.registry.notify)
        request.response.status_int = 500
        return request.response

    company.request(fail, '/NWS/OUN', status=500)
    company.settle()
    assert failures(company) == [0]


def test_one_owner_unknown_takes_nothing_from_the_others(company, receiver):
    company.subscribe('/NWS/OUN', receiver.url, owner='nobody-knows')
    company.subscribe('/NWS', receiver.url, owner='head')
    hire(company, LIMIT)
    assert len(receiver.wait_for(LIMIT)) == LIMIT


def test_where_nobody_can_tell_everybody_is_unknown(make_company, receiver):
    company = make_company(settings=SETTINGS, policy=WithoutVerdicts())
    company.subscribe('/NWS/OUN', receiver.url, owner='manager')
    hire(company, LIMIT)
    assert state(company) == (False, MESSAGE)


def test_a_permission_that_nobody_defines_any_more_counts_like_an_unknown_owner(
    make_company, receiver
):
    def setup(config):
        config.add_view(lambda request: {}, name='greet', permission='greet', renderer='json')

    company = make_company(settings=SETTINGS, setup=setup)
    company.subscribe('/NWS/OUN', receiver.url, owner='manager', permission='greet')
    hire(company, LIMIT)
    assert failures(company) == [0], 'a permission that the owner does not have is normal'
    company.restart(setup=None)
    hire(company, LIMIT - 1, start=LIMIT)
    assert failures(company) == [LIMIT - 1]
    hire(company, 1, start=2 * LIMIT)
    assert state(company) == (False, MESSAGE)


def test_an_owner_lookup_that_raises_counts_as_unknown(make_company, receiver):
    class Broken(Security):
        def permits_for(self, userid, context, permission):
            raise LookupError('the directory is down')

    company = make_company(settings=SETTINGS, policy=Broken())
    company.subscribe('/NWS/OUN', receiver.url, owner='manager')
    hire(company, LIMIT)
    assert state(company) == (False, MESSAGE)


def test_a_global_subscription_is_suspended_alike_and_stays_so(make_company, receiver):
    settings = {
        **SETTINGS,
        'webhooks.subscriptions': 'audit',
        'webhooks.subscription.audit.to': receiver.url,
        'webhooks.subscription.audit.events': '*',
        'webhooks.subscription.audit.owner': 'nobody-knows',
    }
    company = make_company(settings=settings)
    hire(company, LIMIT)

    def record(root):
        return dict(root._p_jar.root()['pyramid_webhooks.global'])['audit']

    def is_suspended():
        return company.transact(lambda root: record(root).status_message == MESSAGE)

    wait_until(is_suspended)
    company.restart()
    assert is_suspended()
    assert not company.transact(lambda root: record(root).active)


def test_a_handler_of_the_deactivation_that_fails_stops_nobody(make_company, receiver):
    company = hearing(make_company, fail, ISubscriptionDeactivated)
    company.subscribe('/NWS/OUN', receiver.url, owner='nobody-knows')
    company.subscribe('/NWS', receiver.url, owner='head')
    hire(company, LIMIT)
    assert state(company)[0]
    hire(company, 1, start=LIMIT)
    assert len(receiver.wait_for(LIMIT + 1)) == LIMIT + 1
