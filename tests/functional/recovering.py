"""Deliveries that fail and are sent again, and what a subscription counts of them."""

import datetime

from zope.interface.verify import verifyObject

from pyramid_webhooks.interfaces import IStatistics

ONCE = {'webhooks.retry_schedule': ''}
PATIENT = {'webhooks.retry_schedule': '1h'}
EPOCH = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def now():
    return datetime.datetime.now(datetime.UTC)


def recover(company, since=EPOCH, path='/'):
    """Recover what failed; (count, unreachable, until)."""

    def do(manager):
        (subscription,) = manager.values()
        return tuple(subscription.recover(since))

    recovery = company.at(path, do)
    company.settle()
    return recovery


def fail(company, receiver, *added):
    """Let deliveries fail, one for each employee, in order."""
    receiver.answer(500)
    for name in added:
        company.add('/NWS/OUN', name)
        company.settle()
    receiver.answer(200)
    failed = len(receiver.requests)
    return [request.headers['webhook-id'] for request in receiver.requests[failed - len(added) :]]


def statistics(company, path='/'):
    def do(manager):
        (subscription,) = manager.values()
        found = subscription.statistics
        verifyObject(IStatistics, found)
        return found

    return company.at(path, do)
