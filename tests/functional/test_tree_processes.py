"""Several processes that start at once, and keep the same subscriptions in the tree."""

import pytest

from pyramid_webhooks import manager_of
from pyramid_webhooks.resources.upkeep import ROOT_KEY
from tests.company import Company
from tests.functional.starting import PROCESSES, names, settings_for, sharing, start_together

TO = 'http://127.0.0.1:9/'
COUNT = 3


@pytest.fixture
def shared(tmp_path):
    """The URI of a database that a ZEO server offers to several processes."""
    with sharing(tmp_path) as uri:
        yield uri


@pytest.fixture
def spectator(shared, make_company):
    """An application in this process that keeps nothing, and looks at the shared database."""
    return make_company(settings={'zodbconn.uri': shared, 'webhooks.delivery': 'worker'})


def kept(spectator):
    """ids of the subscriptions in the two folders, all of which must be active."""

    def look(root):
        root._p_jar.sync()
        found = [list(manager_of(each).values()) for each in (root['NWS'], root)]
        assert all(each.active and each.kind == 'tree' for each in [*found[0], *found[1]])
        assert sorted(root._p_jar.root()[ROOT_KEY]) == names(COUNT)
        return [sorted(each.id for each in subscriptions) for subscriptions in found]

    return spectator.transact(look)


def test_each_is_there_once_and_nobody_met_an_error(shared, spectator, tmp_path):
    assert start_together(shared, TO, COUNT) == [''] * PROCESSES
    first = kept(spectator)
    assert [len(ids) for ids in first] == [2, 1]
    Company(tmp_path, settings=settings_for(shared, TO, COUNT)).start().stop()
    assert kept(spectator) == first


def test_those_that_were_removed_are_deactivated_once(shared, spectator, tmp_path):
    alone = Company(tmp_path, settings=settings_for(shared, TO + 'before', COUNT))
    alone.start().stop()
    assert start_together(shared, TO, COUNT) == [''] * PROCESSES

    def look(root):
        found = [*manager_of(root['NWS']).values(), *manager_of(root).values()]
        return sorted((each.to, each.active) for each in found)

    assert spectator.transact(look) == [(TO, True)] * 3 + [(TO + 'before', False)] * 3
