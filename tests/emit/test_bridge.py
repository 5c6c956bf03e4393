"""Events of ``zope.event`` find the application that they belong to."""

import logging

import pytest
import transaction
import zope.event
from zope.interface import Interface, implementer
from zope.lifecycleevent import ObjectModifiedEvent, added

from pyramid_webhooks.emit.bridge import hear, install_bridge
from tests.company import Employee, add, remove


class IRang(Interface):
    """A bell rang."""


@implementer(IRang)
class Rang:
    """A bell rang; this is about no object."""


@pytest.fixture
def two(make_company):
    """Two applications in this process, that send nothing by themselves."""
    companies = [make_company(settings={'webhooks.delivery': 'worker'}) for _ in range(2)]
    for company in companies:
        company.subscribe('/', 'http://127.0.0.1:9/', events=['*'])
    return companies


def events(company):
    return [each[3] for each in company.attempts('/')]


def test_it_is_installed_once_however_many_applications_there_are(two):
    install_bridge()
    assert zope.event.subscribers.count(hear) == 1


def test_in_a_request_an_event_goes_to_the_application_of_the_request(two):
    first, second = two
    first.request(lambda context, request: add(context, 'ann', zope.event.notify) and None)
    assert (events(first), events(second)) == (['employee.added'], [])
    second.request(lambda context, request: add(context, 'ann', zope.event.notify) and None)
    assert (events(first), events(second)) == (['employee.added'], ['employee.added'])


def test_outside_of_requests_it_goes_to_the_application_of_the_object(two):
    first, second = two

    def change(root):
        root['ben'] = ben = Employee('ben')
        added(ben, root, 'ben')
        zope.event.notify(ObjectModifiedEvent(root['NWS']))

    second.transact(change)
    assert events(first) == []
    assert events(second)[0] == 'employee.added'


def test_what_has_lost_its_parent_belongs_where_it_stood(make_company):
    settings = {'webhooks.delivery': 'worker', 'webhooks.coalesce': 'false'}
    company = make_company(settings=settings)
    company.subscribe('/', 'http://127.0.0.1:9/', events=['*'])

    def do(root):
        add(root, 'ann', zope.event.notify)
        remove(root, 'ann', zope.event.notify)

    company.transact(do)
    assert events(company) == ['employee.added', 'employee.removed']


def test_transactions_of_two_applications_may_be_interleaved(two):
    opened = []
    for company in two:
        manager = transaction.TransactionManager()
        connection = company.database.open(manager)
        opened.append((manager, connection, connection.root()['company']))
    for name in ('ann', 'ben'):
        for _, _, root in opened:
            add(root, name, zope.event.notify)
    (first, one, _), (second, other, _) = opened
    first.commit()
    second.abort()
    one.close()
    other.close()
    assert [events(company) for company in two] == [['employee.added'] * 2, []]


def test_what_belongs_to_nobody_is_left_alone(two, caplog):
    zope.event.notify(ObjectModifiedEvent(Employee('nobody')))
    zope.event.notify(Rang())
    zope.event.notify('anything')
    zope.event.notify(None)
    assert [events(company) for company in two] == [[], []]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_an_event_about_no_object_is_heard_where_somebody_registered_it(make_company):
    def setup(config):
        config.add_webhook_event('bell.rang', when=IRang)
        config.add_webhook_payload(lambda obj, event: 'ding', Interface, IRang)

    companies = [
        make_company(settings={'webhooks.delivery': 'worker'}, setup=each)
        for each in (setup, None)
    ]
    for company in companies:
        company.subscribe('/', 'http://127.0.0.1:9/', events=['*'])
        company.request(lambda context, request: zope.event.notify(Rang()))
        company.request(lambda context, request: zope.event.notify(object()))
    assert [events(company) for company in companies] == [['bell.rang'], []]


def test_an_application_that_does_not_want_it_is_left_alone(make_company):
    settings = {'webhooks.delivery': 'worker'}
    deaf = make_company(settings={**settings, 'webhooks.zope_event': 'false'})
    hearing = make_company(settings=settings)
    for company in (deaf, hearing):
        company.subscribe('/', 'http://127.0.0.1:9/', events=['*'])
        company.transact(lambda root: add(root, 'ann', zope.event.notify) and None)
    assert (events(deaf), events(hearing)) == ([], ['employee.added'])
