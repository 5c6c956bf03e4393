"""The directives: conflicts, bad input, introspection."""

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError, ConfigurationError
from zope.lifecycleevent import IObjectAddedEvent, IObjectModifiedEvent

from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.interfaces import (
    IDestinationPolicy,
    IEventCatalogue,
    IGlobalManager,
    IPrincipalsResolver,
    IRetryPolicy,
    ISubscriptionFactory,
    ISubscriptionFinder,
    ITransportFactory,
    IWebhookDialect,
)
from pyramid_webhooks.resources.secrets import new_secret
from pyramid_webhooks.resources.subscription import Subscription
from tests.company import IEmployee, IPerson

TO = 'https://receiver.example/'


@pytest.fixture
def config():
    config = Configurator(settings={})
    config.include('pyramid_webhooks')
    return config


class RetryPolicy:
    """A policy of the application's own."""

    def next_delay(self, attempts_made, status, headers):
        return None


class DestinationPolicy:
    """A policy of the application's own."""

    def check_url(self, url):
        return None

    def check_address(self, address, port, host):
        return None


class Special(Subscription):
    """A subscription of the application's own."""


def finder(search):
    return ()


def resolver(userid, request):
    return None


def test_an_event_type_may_be_described_by_dotted_names(config):
    config.add_webhook_event(
        'employee.added',
        'tests.company.IEmployee',
        'zope.lifecycleevent.interfaces.IObjectAddedEvent',
        description='Somebody was hired.',
        schema={'type': 'object'},
        example={'name': 'Ann'},
    )
    config.commit()
    event_type = config.registry.getUtility(IEventCatalogue).get('employee.added')
    assert (event_type.for_, event_type.when) == (IEmployee, IObjectAddedEvent)
    assert event_type.schema == {'type': 'object'} and event_type.example == {'name': 'Ann'}
    (item,) = config.registry.introspector.get_category('webhook events')
    assert item['introspectable']['description'] == 'Somebody was hired.'
    assert item['introspectable'].title == 'employee.added'


@pytest.mark.parametrize(
    'first, second',
    [
        (('a.b', IEmployee, IObjectAddedEvent), ('a.b', IPerson, IObjectModifiedEvent)),
        (('a.b', IEmployee, IObjectAddedEvent), ('c.d', IEmployee, IObjectAddedEvent)),
        (('a.b', None, IObjectAddedEvent), ('c.d', None, IObjectAddedEvent)),
        (('a.b',), ('a.b',)),
    ],
)
def test_two_types_of_one_name_or_for_one_pair_are_a_conflict(config, first, second):
    config.add_webhook_event(*first)
    config.add_webhook_event(*second)
    with pytest.raises(ConfigurationConflictError):
        config.commit()


def test_the_application_overrides_the_event_type_of_an_include(config):
    config.include(lambda config: config.add_webhook_event('a.b', description='theirs'))
    config.add_webhook_event('a.b', description='ours')
    config.add_webhook_event('c.d')
    config.commit()
    assert config.registry.getUtility(IEventCatalogue).get('a.b').description == 'ours'


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('employee',), "'employee' can not be the name of an event type"),
        (('a.b', 7, IObjectAddedEvent), 'neither a class nor an interface'),
        (('a.b', IEmployee, dict), 'is not an interface'),
        (('a.b', IEmployee, 7), 'is not an interface'),
    ],
)
def test_a_bad_event_type_is_a_configuration_error(config, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        config.add_webhook_event(*arguments)
        config.commit()


def test_a_dotted_name_that_leads_nowhere_is_an_error(config):
    with pytest.raises((ImportError, ConfigurationError, AttributeError)):
        config.add_webhook_event('a.b', 'tests.company.INobody')


@pytest.mark.parametrize('dialect', [Dialect(), Dialect, 'pyramid_webhooks.emit.dialects.Dialect'])
def test_a_dialect_may_be_an_object_a_class_or_a_dotted_name(config, dialect):
    config.add_webhook_dialect('dutch', dialect)
    config.commit()
    assert isinstance(config.registry.getUtility(IWebhookDialect, 'dutch'), Dialect)


@pytest.mark.parametrize('dialect', [7, dict, 'tests.company.Employee'])
def test_something_else_is_no_dialect(config, dialect):
    with pytest.raises((ConfigurationError, TypeError), match='dutch|argument'):
        config.add_webhook_dialect('dutch', dialect)


def test_two_dialects_of_one_name_are_a_conflict(config):
    config.add_webhook_dialect('dutch', Dialect())
    config.add_webhook_dialect('dutch', Dialect())
    with pytest.raises(ConfigurationConflictError):
        config.commit()


@pytest.mark.parametrize(
    'directive, value, interface',
    [
        ('set_webhook_principals', resolver, IPrincipalsResolver),
        ('set_webhook_finder', finder, ISubscriptionFinder),
        ('set_webhook_transport', finder, ITransportFactory),
        ('set_webhook_subscription_factory', Special, ISubscriptionFactory),
        ('set_webhook_retry_policy', RetryPolicy(), IRetryPolicy),
        ('set_webhook_destination_policy', DestinationPolicy(), IDestinationPolicy),
    ],
)
def test_parts_can_be_replaced_and_what_is_no_such_part_is_an_error(
    config, directive, value, interface
):
    getattr(config, directive)(value)
    config.commit()
    assert config.registry.getUtility(interface) is value
    with pytest.raises(ConfigurationError, match=interface.__name__):
        getattr(config, directive)(7)
    getattr(config, directive)(value)
    getattr(config, directive)(value)
    with pytest.raises(ConfigurationConflictError):
        config.commit()


def test_a_payload_factory_must_be_callable_and_only_one_fits_a_type(config):
    with pytest.raises(ConfigurationError, match='can not be called'):
        config.add_webhook_payload(7, IEmployee)
    config.add_webhook_dialect('dutch', Dialect())
    config.add_webhook_payload(lambda obj: 1, IEmployee)
    config.add_webhook_payload(lambda obj: 1, IPerson)
    config.add_webhook_payload(lambda obj: 1, IEmployee, dialect='dutch')
    config.add_webhook_payload(lambda obj, event: 1, IEmployee, IObjectAddedEvent)
    config.commit()
    config.add_webhook_payload(lambda obj: 1, IEmployee)
    config.add_webhook_payload(lambda obj: 2, IEmployee)
    with pytest.raises(ConfigurationConflictError):
        config.commit()


@pytest.mark.parametrize(
    'options, field',
    [
        ({'to': 'http://receiver.example/'}, 'to'),
        ({'to': 'https://user:pw@receiver.example/'}, 'to'),
        ({'to': 'https://'}, 'to'),
        ({'to': 'https://receiver.example/a b'}, 'to'),
        ({'to': 'https://127.0.0.1/'}, 'to'),
        ({'to': 7}, 'to'),
        ({'events': ['no.such']}, 'events'),
        ({'events': []}, 'events'),
        ({'events': 7}, 'events'),
        ({'events': ['a.b'], 'for_': IEmployee}, 'events'),
        ({'for_': 7}, 'for_'),
        ({'when': IEmployee.__name__}, 'when'),
        ({'when': dict}, 'when'),
        ({'owner': ''}, 'owner'),
        ({'owner': 7}, 'owner'),
        ({'permission': 'fly'}, 'permission'),
        ({'dialect': 'dutch'}, 'dialect'),
        ({'secret': 'secret'}, 'secret'),
        ({'secret': 7}, 'secret'),
        ({'headers': {'webhook-id': 'x'}}, 'headers'),
        ({'headers': {'X-Bad': 'a\nb'}}, 'headers'),
        ({'headers': {'X Bad': 'a'}}, 'headers'),
        ({'headers': {'X-Bad': 7}}, 'headers'),
        ({'headers': ['X-Bad']}, 'headers'),
        ({'description': 7}, 'description'),
        ({'path': 7}, 'path'),
        ({'path': ''}, 'path'),
        ({'path': 'NWS'}, 'path'),
        ({'path': '/NWS/../OUN'}, 'path'),
        ({'path': '/%ff'}, 'path'),
        ({'path': '/NWS', 'events': ['no.such']}, 'events'),
        ({'name': 'a/b'}, 'name'),
        ({'name': 'events'}, 'events'),
        ({'name': ''}, 'name'),
    ],
)
def test_a_bad_subscription_is_a_configuration_error_that_names_the_field(config, options, field):
    config.add_webhook_event('a.b')
    if 'events' not in options and 'for_' not in options:
        options = {'events': ['a.b'], **options}
    if 'when' in options:
        del options['events']
    with pytest.raises(ConfigurationError) as caught:
        config.add_webhook_subscription(**{'to': TO, **options})
        config.commit()
    assert field in str(caught.value)
    assert list(config.registry.getUtility(IGlobalManager)) == []


def test_the_identity_of_an_unnamed_one_depends_on_its_parameters_and_not_on_its_secret():
    def ids(*many):
        config = Configurator(settings={})
        config.include('pyramid_webhooks')
        config.add_webhook_event('a.b')
        for options in many:
            config.add_webhook_subscription(**{'to': TO, 'events': ['a.b'], **options})
        config.commit()
        return list(config.registry.getUtility(IGlobalManager))

    (plain,) = ids({})
    assert ids({'secret': new_secret()}) == [plain]
    assert ids({}, {}) == [plain, plain[:-1] + '2']
    for options in ({'owner': 'ann'}, {'to': TO + 'x'}, {'events': ['*']}, {'dialect': ''}):
        (other,) = ids(options)
        assert other != plain
        assert ids(options, {}) == [other, plain]


def test_settings_may_still_change_after_the_include():
    config = Configurator(settings={})
    config.include('pyramid_webhooks')
    config.add_settings({'webhooks.allow_http': 'true', 'webhooks.allowed_ports': '80'})
    config.add_webhook_event('a.b')
    config.add_webhook_subscription('http://receiver.example/', events=['a.b'], name='one')
    config.commit()
    assert 'one' in config.registry.getUtility(IGlobalManager)


def test_including_it_twice_is_harmless():
    config = Configurator(settings={})
    config.include('pyramid_webhooks')
    config.include('pyramid_webhooks')
    config.add_webhook_event('a.b')
    config.commit()
    assert config.registry.getUtility(IEventCatalogue).names() == ['a.b']
