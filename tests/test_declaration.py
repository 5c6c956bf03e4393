"""What directives are given: each mistake is an error that names the argument, at once."""

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError, ConfigurationError
from zope.lifecycleevent import IObjectAddedEvent, ObjectAddedEvent

from pyramid_webhooks.emit.dialects import Dialect
from pyramid_webhooks.emit.payloads import payload_for
from pyramid_webhooks.interfaces import IEventCatalogue, IPrincipalsResolver
from tests.company import Employee, Folder, IEmployee

CYCLE = {}
CYCLE['again'] = CYCLE


class NeedsArguments(Dialect):
    """A dialect that can not be made without arguments."""

    def __init__(self, colour):
        super().__init__()


def payload(*arguments):
    """A payload factory."""
    return 'payload'


@pytest.fixture
def config():
    config = Configurator(settings={'webhooks.rest': 'false'})
    config.include('pyramid_webhooks')
    return config


BAD = [
    ('add_webhook_event', {'name': 7}, 'name'),
    ('add_webhook_event', {'name': ['a.b']}, 'name'),
    ('add_webhook_event', {'name': ''}, 'name'),
    ('add_webhook_event', {'name': 'no-verb'}, 'name'),
    ('add_webhook_event', {'name': 'a.b', 'for_': 'tests.company.INobody'}, 'for_'),
    ('add_webhook_event', {'name': 'a.b', 'for_': []}, 'for_'),
    ('add_webhook_event', {'name': 'a.b', 'when': 'no.such.module'}, 'when'),
    ('add_webhook_event', {'name': 'a.b', 'when': '..'}, 'when'),
    ('add_webhook_event', {'name': 'a.b', 'when': Employee}, 'when'),
    ('add_webhook_event', {'name': 'a.b', 'owner_of': 'ann'}, 'owner_of'),
    ('add_webhook_event', {'name': 'a.b', 'owner_of': 7}, 'owner_of'),
    ('add_webhook_event', {'name': 'a.b', 'schema': 'object'}, 'schema'),
    ('add_webhook_event', {'name': 'a.b', 'schema': {'type': object}}, 'schema'),
    ('add_webhook_event', {'name': 'a.b', 'example': object()}, 'example'),
    ('add_webhook_event', {'name': 'a.b', 'example': float('nan')}, 'example'),
    ('add_webhook_event', {'name': 'a.b', 'example': CYCLE}, 'example'),
    ('add_webhook_event', {'name': 'a.b', 'description': None}, 'description'),
    ('add_webhook_subscription', {'to': 'https://a.example/', 'name': 7}, 'name'),
    ('add_webhook_subscription', {'to': 'https://a.example/', 'events': [['*']]}, 'events'),
    ('add_webhook_subscription', {'to': 'https://a.example/', 'events': [None]}, 'events'),
    ('add_webhook_dialect', {'name': None, 'dialect': Dialect()}, 'name'),
    ('add_webhook_dialect', {'name': [], 'dialect': Dialect()}, 'name'),
    ('add_webhook_dialect', {'name': 'dutch', 'dialect': 'no.such.module'}, 'dialect'),
    ('add_webhook_dialect', {'name': 'dutch', 'dialect': object()}, 'dialect'),
    ('add_webhook_dialect', {'name': 'dutch', 'dialect': NeedsArguments}, 'dialect'),
    ('add_webhook_payload', {'factory': 7, 'for_': IEmployee}, 'factory'),
    ('add_webhook_payload', {'factory': 'no.such', 'for_': IEmployee}, 'factory'),
    ('add_webhook_payload', {'factory': payload, 'for_': 7}, 'for_'),
    ('add_webhook_payload', {'factory': payload, 'for_': [IEmployee]}, 'for_'),
    ('add_webhook_payload', {'factory': payload, 'for_': None, 'when': Employee}, 'when'),
    ('add_webhook_payload', {'factory': payload, 'for_': None, 'dialect': 7}, 'dialect'),
    ('add_webhook_payload', {'factory': payload, 'for_': None, 'dialect': 'dutch'}, 'dialect'),
    ('set_webhook_principals', {'resolver': None}, 'resolver'),
    ('set_webhook_principals', {'resolver': 'no.such'}, 'resolver'),
    ('set_webhook_finder', {'finder': 7}, 'finder'),
    ('set_webhook_transport', {'factory': 7}, 'factory'),
    ('set_webhook_subscription_factory', {'cls': 7}, 'cls'),
    ('set_webhook_retry_policy', {'policy': 'no.such'}, 'policy'),
    ('set_webhook_retry_policy', {'policy': object()}, 'policy'),
    ('set_webhook_destination_policy', {'policy': payload}, 'policy'),
]


@pytest.mark.parametrize('directive, arguments, field', BAD)
def test_a_mistake_is_a_configuration_error_that_names_the_argument(
    config, directive, arguments, field
):
    with pytest.raises(ConfigurationError, match=f': {field}: .*[.]') as caught:
        getattr(config, directive)(**arguments)
        config.commit()
    assert 'Error' not in str(caught.value).partition(f': {field}: ')[2].partition('\n')[0]


@pytest.mark.parametrize('name', [None, 'audit'])
def test_no_error_shows_the_credentials_of_a_target(config, name):
    with pytest.raises(ConfigurationError) as caught:
        config.add_webhook_subscription('https://ann:hidden@a.example/', events='*', name=name)
        config.commit()
    assert 'to: ' in str(caught.value).partition(' File ')[0].partition('\n')[0]
    assert 'hidden' not in str(caught.value).partition('\n')[0]


def test_a_default_dialect_that_nobody_registers_is_an_error_that_names_the_setting():
    def configure(*dialects):
        config = Configurator(settings={'webhooks.dialect': 'dutch'})
        config.include('pyramid_webhooks')
        for name in dialects:
            config.add_webhook_dialect(name, Dialect)
        config.commit()

    configure('dutch')
    with pytest.raises(ConfigurationError, match="webhooks.dialect: .*'dutch'.*frisian"):
        configure('frisian')


def test_wherever_an_object_is_wanted_its_dotted_name_will_do(config):
    config.add_webhook_dialect('dutch', 'pyramid_webhooks.emit.dialects.Dialect')
    config.add_webhook_event('a.b', owner_of='tests.test_declaration.payload')
    config.add_webhook_payload(
        'tests.test_declaration.payload',
        'tests.company.IEmployee',
        'zope.lifecycleevent.IObjectAddedEvent',
        'dutch',
    )
    config.set_webhook_principals('tests.test_declaration.payload')
    config.commit()
    registry = config.registry
    assert (
        registry.getUtility(IPrincipalsResolver)
        is registry.getUtility(IEventCatalogue).get('a.b').owner_of
    )
    employee = Employee('ann')
    event = ObjectAddedEvent(employee, Folder(), 'ann')
    assert payload_for(registry, employee, event, 'dutch') == 'payload'
    assert payload_for(registry, employee, event, '') is employee


def test_a_payload_for_anything_is_one_whether_it_is_said_with_none_or_interface(config):
    config.add_webhook_payload(payload, None)
    config.add_webhook_payload(payload, 'zope.interface.Interface')
    with pytest.raises(ConfigurationConflictError):
        config.commit()


def test_the_application_overrides_what_its_includes_say(config):
    def include(config):
        config.add_webhook_payload(lambda obj: 'theirs', IEmployee)
        config.add_webhook_dialect('dutch', Dialect(method='PUT'))
        config.set_webhook_principals(lambda userid, request: ['theirs'])
        config.add_webhook_event('their.name', IEmployee, IObjectAddedEvent)

    config.include(include)
    config.add_webhook_payload(lambda obj: 'ours', IEmployee)
    config.add_webhook_dialect('dutch', Dialect(method='PATCH'))
    config.set_webhook_principals(lambda userid, request: ['ours'])
    config.add_webhook_event('our.name', IEmployee, IObjectAddedEvent)
    config.commit()
    registry = config.registry
    employee = Employee('ann')
    event = ObjectAddedEvent(employee, Folder(), 'ann')
    assert payload_for(registry, employee, event, '') == 'ours'
    assert registry.getUtility(IPrincipalsResolver)('ann', None) == ['ours']
    assert registry.getUtility(IEventCatalogue).resolve(employee, event).name == 'our.name'


def test_the_applications_name_for_a_pair_counts_also_when_it_includes_another_later(config):
    config.add_webhook_event('our.name', IEmployee, IObjectAddedEvent)
    config.include(
        lambda config: config.add_webhook_event('their.name', IEmployee, IObjectAddedEvent)
    )
    config.commit()
    employee = Employee('ann')
    event = ObjectAddedEvent(employee, Folder(), 'ann')
    resolution = config.registry.getUtility(IEventCatalogue).resolve(employee, event)
    assert resolution.name == 'our.name'


def test_what_was_declared_can_be_looked_at(config):
    config.add_webhook_event('a.b', IEmployee, IObjectAddedEvent, description='A and b.')
    config.add_webhook_subscription('https://a.example/', events='*', name='audit', owner='ann')
    config.add_webhook_dialect('dutch', Dialect)
    config.add_webhook_payload(payload, IEmployee, dialect='dutch')
    config.set_webhook_principals(payload)
    config.commit()
    found = {
        category: dict(config.registry.introspector.get_category(category)[0]['introspectable'])
        for category in config.registry.introspector.categories()
        if category.startswith('webhook')
    }
    assert found['webhook events']['for_'] is IEmployee
    assert found['webhook events']['description'] == 'A and b.'
    assert found['webhook subscriptions']['name'] == 'audit'
    assert isinstance(found['webhook dialects']['value'], Dialect)
    assert found['webhook payloads']['factory'] is payload
    assert found['webhook policies']['value'] is payload
