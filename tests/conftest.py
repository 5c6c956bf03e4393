"""Fixtures that tests of many parts use."""

import pytest
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

from pyramid_webhooks.testing import Receiver
from tests.company import Company


@pytest.fixture
def receiver():
    """A real HTTP receiver."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def database(tmp_path):
    """A database in a FileStorage."""
    database = DB(FileStorage(str(tmp_path / 'Data.fs')))
    yield database
    database.close()


@pytest.fixture
def make_company(tmp_path):
    """A factory of companies, each with a FileStorage of its own; all are stopped in the end."""
    made = []

    def make(**keywords):
        folder = tmp_path / f'company{len(made)}'
        folder.mkdir()
        company = Company(folder, **keywords)
        made.append(company)
        return company.start()

    yield make
    for company in made:
        company.stop(timeout=1)


@pytest.fixture
def company(make_company):
    """A company with the ordinary settings."""
    return make_company()
