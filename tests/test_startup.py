"""Putting the parts together, and starting."""

import logging
import sys
import threading

import pytest
import transaction
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.security import NO_PERMISSION_REQUIRED
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError

from pyramid_webhooks.interfaces import IDeliveryEngine, IGlobalManager, IPermissionNames
from pyramid_webhooks.outbox.root import FORMAT, outbox_of
from pyramid_webhooks.resources.globals import record_of
from pyramid_webhooks.startup import (
    is_one_shot_command,
    prepare_databases,
    stop_delivery,
    without_sending,
)
from tests.company import WithoutVerdicts

NOBODY = 'Nobody can tell'
UNSIGNED = 'has no secret'
NO_TRANSACTION = 'Requests have no transaction'


class Overtaken(DB):
    """A database to which somebody else commits whenever a connection was just opened."""

    rival = None

    def open(self, *arguments, **keywords):
        connection = super().open(*arguments, **keywords)
        rival, self.rival = self.rival, None
        if rival is not None:
            rival(self)
        return connection


def configure(setup=lambda config: None, **settings):
    settings = {f'webhooks.{name}': value for name, value in settings.items()}
    config = Configurator(settings=settings)
    config.include('pyramid_webhooks')
    setup(config)
    config.commit()
    return config


def application(database):
    """The registry of one process of an application with a global subscription."""

    def setup(config):
        config.add_webhook_subscription('https://a.example/', events='*', name='audit')

    registry = configure(setup, rest='false').registry
    registry._zodb_databases = {'': database}
    return registry


def stored(database):
    """The outbox, and the record of the global subscription, as they are stored."""
    connection = database.open(transaction.TransactionManager())
    try:
        return outbox_of(connection)._p_oid, record_of(connection, 'audit')._p_oid
    finally:
        connection.close()


@pytest.fixture
def database(tmp_path):
    database = Overtaken(FileStorage(str(tmp_path / 'Data.fs')))
    yield database
    database.close()


def warnings(caplog, part):
    return [each for each in caplog.records if part in each.getMessage()]


def test_permissions_are_those_that_views_name_and_our_own():
    def setup(config):
        config.add_view(lambda request: None, name='one', permission='fly')
        config.add_view(lambda request: None, name='two', permission=NO_PERMISSION_REQUIRED)
        config.add_permission('swim')

    names = configure(setup, permission='see').registry.getUtility(IPermissionNames)()
    assert {'fly', 'swim', 'see', 'webhooks.view', 'webhooks.add', 'webhooks.admin'} <= names
    assert NO_PERMISSION_REQUIRED not in names and None not in names
    assert 'view' not in names


def test_a_permission_that_a_view_added_later_names_is_known():
    def setup(config):
        config.add_webhook_subscription(
            'https://a.example/', events='*', name='audit', permission='fly'
        )
        config.add_view(lambda request: None, permission='fly')

    assert 'audit' in configure(setup).registry.getUtility(IGlobalManager)


def test_a_short_key_for_secrets_is_refused_and_not_shown():
    with pytest.raises(ConfigurationError, match='webhooks.secrets_key') as caught:
        configure(secrets_key='hidden')
    assert 'hidden' not in str(caught.value)


@pytest.mark.parametrize(
    'name, expected',
    [
        ('/usr/bin/pshell', True),
        ('proutes', True),
        ('pviews.exe', True),
        ('scripts/ptweens.py', True),
        ('prequest', True),
        ('/venv/bin/pwebhooks', True),
        ('/usr/bin/pserve', False),
        ('/usr/bin/gunicorn', False),
        ('/home/pshell/bin/uwsgi', False),
        ('', False),
    ],
)
def test_commands_that_only_look_are_known_by_their_names(monkeypatch, name, expected):
    monkeypatch.setattr(sys, 'argv', [name, 'development.ini'])
    assert is_one_shot_command() is expected
    monkeypatch.setattr(sys, 'argv', [])
    assert is_one_shot_command() is False


def test_commands_that_only_look_do_not_send(make_company, receiver, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['/usr/bin/pshell', 'development.ini'])
    before = threading.active_count()
    company = make_company()
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    assert threading.active_count() == before
    assert [each[0] for each in company.attempts('/')] == ['pending']
    monkeypatch.setattr(sys, 'argv', ['/usr/bin/pserve', 'development.ini'])
    company.restart()
    company.settle()
    assert [each[0] for each in company.attempts('/')] == ['successful']


def test_an_application_that_is_made_to_be_looked_at_does_not_send(make_company, receiver):
    before = threading.active_count()
    with without_sending():
        company = make_company()
    company.subscribe('/', receiver.url)
    company.add('/NWS/OUN', 'ann')
    assert threading.active_count() == before
    assert [each[0] for each in company.attempts('/')] == ['pending']
    company.restart()
    company.settle()
    assert [each[0] for each in company.attempts('/')] == ['successful']
    assert len(receiver.requests) == 1


def test_startup_warns_once_and_not_at_every_event(make_company, receiver, caplog):
    def setup(config):
        config.add_webhook_subscription(receiver.url, events=['employee.added'], name='audit')

    company = make_company(policy=WithoutVerdicts(), setup=setup)
    company.subscribe('/', receiver.url_for('never'), owner='president')
    for name in ('ann', 'ben', 'cid'):
        company.add('/NWS/OUN', name)
    company.settle()
    assert len(warnings(caplog, NOBODY)) == len(warnings(caplog, UNSIGNED)) == 1
    assert len(receiver.requests) == 3


def test_startup_has_nothing_to_warn_of_where_all_is_well(make_company, caplog):
    company = make_company()
    company.add('/NWS/OUN', 'ann')
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_without_a_database_there_is_no_engine_and_nothing_to_prepare():
    config = configure()
    app = config.make_wsgi_app()
    assert app.registry.queryUtility(IDeliveryEngine) is None
    prepare_databases(app.registry)


def test_startup_says_that_nothing_can_be_sent_without_a_database_or_a_subscription(caplog):
    configure().make_wsgi_app()
    [warning] = warnings(caplog, 'No webhook can be sent')
    assert 'Include pyramid_zodbconn and set zodbconn.uri' in warning.getMessage()
    assert not warnings(caplog, NO_TRANSACTION)


def test_startup_says_that_requests_have_no_transaction(tmp_path, caplog):
    def start(*includes):
        caplog.clear()
        config = Configurator(settings={'zodbconn.uri': f'file://{tmp_path}/Data.fs'})
        for name in (*includes, 'pyramid_zodbconn', 'pyramid_webhooks'):
            config.include(name)
        registry = config.make_wsgi_app().registry
        stop_delivery(registry, timeout=10)
        registry._zodb_databases[''].close()
        return len(warnings(caplog, NO_TRANSACTION))

    assert start() == 1
    assert start('pyramid_tm') == 0


def test_processes_that_start_at_once_make_one_outbox(database):
    registries = [application(database) for _ in range(6)]
    barrier = threading.Barrier(len(registries), timeout=20)
    errors = []

    def prepare(registry):
        try:
            barrier.wait()
            prepare_databases(registry)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=prepare, args=(each,)) for each in registries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == [] and not any(thread.is_alive() for thread in threads)
    made = stored(database)
    prepare_databases(application(database))
    assert stored(database) == made


def test_a_process_that_was_overtaken_takes_what_the_other_one_made(database):
    made = []

    def rival(database):
        prepare_databases(application(database))
        made.append(stored(database))

    database.rival = rival
    prepare_databases(application(database))
    assert [stored(database)] == made
    assert not [each for each in database.connectionDebugInfo() if each['opened']]


def test_a_process_that_is_always_overtaken_gives_up_in_the_end(database):
    def rival(database):
        manager = transaction.TransactionManager()
        connection = database.open(manager)
        connection.root()['number'] = connection.root().get('number', 0) + 1
        manager.commit()
        connection.close()
        database.rival = rival

    database.rival = rival
    with pytest.raises(ConflictError):
        prepare_databases(application(database))
    database.rival = None
    assert not [each for each in database.connectionDebugInfo() if each['opened']]
    prepare_databases(application(database))
    assert stored(database)


def test_preparing_again_writes_nothing(database):
    prepare_databases(application(database))
    before = database.lastTransaction()
    prepare_databases(application(database))
    assert database.lastTransaction() == before


def test_a_database_that_can_only_be_read_is_said_to_owe_nothing(tmp_path, caplog):
    path = str(tmp_path / 'Read.fs')
    DB(FileStorage(path)).close()
    database = DB(FileStorage(path, read_only=True))
    try:
        prepare_databases(application(database))
    finally:
        database.close()
    assert len(warnings(caplog, "database '' is read-only")) == 1


def test_a_database_of_another_format_is_refused_in_a_sentence(make_company):
    company = make_company()

    def age(root):
        root._p_jar.root()['pyramid_webhooks.outbox'].format = 99

    company.transact(age)
    with pytest.raises(ConfigurationError, match=f'format 99; this version needs {FORMAT}'):
        company.restart()
