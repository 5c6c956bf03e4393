"""Fixtures that tests of many parts use."""

import pytest

from pyramid_webhooks.testing import Receiver
from tests.company import Company


@pytest.fixture
def receiver():
    """A real HTTP receiver."""
    with Receiver() as receiver:
        yield receiver


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
