"""Resources that are not where they should be harm nobody but themselves."""

import pytest
from persistent import Persistent
from ZODB.Connection import TransactionMetaData
from zope.interface.interfaces import ObjectEvent
from zope.lifecycleevent import IObjectModifiedEvent, ObjectModifiedEvent

from pyramid_webhooks import explain_event
from tests.company import Employee, Folder, add, messages


class Shy(Folder):
    """A folder that does not tell its parent."""

    @property
    def __parent__(self):
        raise RuntimeError('none of your business')

    @__parent__.setter
    def __parent__(self, parent):
        pass


class Secretive(Folder):
    """A folder that does not show its webhooks."""

    @property
    def __webhooks__(self):
        raise RuntimeError('not for you')


class Endless:
    """Something that is always in something else."""

    __name__ = 'endless'

    def __json__(self, request):
        return {'endless': True}

    @property
    def __parent__(self):
        return Endless()


class Circling(Persistent):
    """Something that can be its own ancestor."""

    __parent__ = __name__ = None

    def __json__(self, request):
        return {'circling': True}


def fire(company, make, path='/NWS'):
    """Modify what ``make(context)`` returns, in a request that does something else as well."""

    def do(context, request):
        thing = make(context)
        request.registry.notify(ObjectModifiedEvent(thing))
        add(context, 'ann', request.registry.notify)
        explained = explain_event(thing, ObjectModifiedEvent(thing), request)
        return [each.to for each, would, _ in explained if would]

    answer = company.request(do, path)
    company.settle()
    return answer


def circle(context):
    one, other = Circling(), Circling()
    one.__parent__, other.__parent__ = other, one
    return one


def shy(context):
    folder = context['shy'] = Shy()
    folder['it'] = Employee('it')
    return folder['it']


def secretive(context):
    folder = context['secretive'] = Secretive()
    folder['it'] = Employee('it')
    return folder['it']


@pytest.fixture
def company(make_company, receiver):
    def setup(config):
        config.add_webhook_event('thing.modified', None, IObjectModifiedEvent)
        config.add_webhook_subscription(
            receiver.url_for('global'), name='global', events=['thing.modified']
        )

    company = make_company(setup=setup)
    company.subscribe('/NWS', receiver.url_for('owned'), owner='head', events=['*'])
    company.subscribe('/NWS', receiver.url_for('tree'), events=['*'])
    return company


@pytest.mark.parametrize('make', [circle, lambda context: Endless(), shy])
def test_a_lineage_without_an_end_or_a_way_up_harms_nobody(company, receiver, make):
    fire(company, make)
    paths = [request.path for request in receiver.requests]
    assert paths.count('/owned') == 1, 'nobody can say that the owner may know of the thing'
    assert paths.count('/tree') == 2 and paths.count('/global') == 1


def test_a_folder_that_does_not_show_its_webhooks_hides_only_these(company, receiver, caplog):
    fire(company, secretive)
    paths = [request.path for request in receiver.requests]
    assert (paths.count('/owned'), paths.count('/tree'), paths.count('/global')) == (2, 2, 1)
    assert 'The webhooks of a Secretive can not be read; they get nothing.' in messages(caplog)


def test_a_parent_that_is_gone_from_the_database_harms_nobody(company, receiver, caplog):
    def make(context, request):
        lost = context['lost'] = Folder()
        lost['it'] = Employee('it')
        context['it'] = it = lost['it']
        it.__parent__ = lost
        del context['lost']

    company.request(make, '/NWS')
    delete(company, company.transact(lambda root: root['NWS']['it'].__parent__._p_oid))
    fire(company, lambda context: context['it'])
    paths = [request.path for request in receiver.requests]
    assert (paths.count('/owned'), paths.count('/tree'), paths.count('/global')) == (1, 2, 1)


def delete(company, oid):
    """Delete an object from the storage, whoever refers to it."""
    storage = company.database.storage
    metadata = TransactionMetaData()
    _, serial = storage.load(oid)
    storage.tpc_begin(metadata)
    storage.deleteObject(oid, serial, metadata)
    storage.tpc_vote(metadata)
    storage.tpc_finish(metadata)
    company.database.cacheMinimize()


@pytest.mark.parametrize('thing, owned', [(None, 2), (Employee('nowhere'), 1), ('a text', 1)])
def test_an_event_about_what_is_nowhere_is_met_by_the_context_of_the_request(
    company, receiver, thing, owned
):
    def do(context, request):
        request.registry.notify(ObjectEvent(thing))
        request.registry.notify(ObjectModifiedEvent(thing))
        add(context, 'ann', request.registry.notify)

    company.request(do, '/NWS')
    company.settle()
    paths = [request.path for request in receiver.requests]
    assert (paths.count('/owned'), paths.count('/tree'), paths.count('/global')) == (owned, 2, 1)


@pytest.mark.parametrize('thing', [None, Employee('nowhere')])
def test_without_a_request_it_is_owed_to_nobody_and_logged(company, receiver, thing, caplog):
    def do(root):
        company.registry.notify(ObjectModifiedEvent(thing))
        add(root['NWS'], 'ann', company.registry.notify)

    company.transact(do)
    company.settle()
    assert sorted(request.path for request in receiver.requests) == ['/owned', '/tree']
    assert 'is owed to nobody: neither the object nor a request has a ZODB' in messages(caplog)
