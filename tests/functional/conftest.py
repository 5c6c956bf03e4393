"""Fixtures of tests of the whole application."""

import pytest
import zope.sqlalchemy.datamanager

from tests.clock import ShiftedClock
from tests.functional.sql_application import Shop, ini


@pytest.fixture
def clock():
    """A clock that can be moved, for all of the process."""
    with ShiftedClock() as clock:
        yield clock


@pytest.fixture
def make_shop(tmp_path, receiver, monkeypatch):
    """A factory of shops, with a global subscription to everything."""
    monkeypatch.setattr(zope.sqlalchemy.datamanager, 'NO_SAVEPOINT_SUPPORT', set())
    made = []

    def make(manager='explicit', setup=None, receiver=receiver, **settings):
        options = {key: settings.pop(key) for key in list(settings) if '.' not in key}
        settings = {**ini('audit', receiver.url, **options), **settings}
        folder = tmp_path / f'shop{len(made)}'
        folder.mkdir()
        shop = Shop(folder, settings, setup, manager)
        made.append(shop)
        return shop.start()

    yield make
    for shop in made:
        shop.stop()


@pytest.fixture(params=['explicit', 'implicit'])
def shop(request, make_shop):
    return make_shop(request.param)
