"""Fixtures of tests that send."""

import ssl

import pytest

from pyramid_webhooks.delivery.transport import WebhookAdapter
from pyramid_webhooks.testing.certificates import make_certificates
from tests.delivery.reading import Reading
from tests.delivery.sending import LOOPBACK


@pytest.fixture
def adapters():
    """Make adapters that are closed in the end."""
    made = []

    def make(policy=LOOPBACK, **options):
        made.append(WebhookAdapter(policy, **{'connect_timeout': 5, 'timeout': 10, **options}))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


@pytest.fixture
def adapter(adapters):
    return adapters()


@pytest.fixture(scope='module')
def certificates(tmp_path_factory):
    """The authority of a server, as a path, and the context that the server has."""
    folder = tmp_path_factory.mktemp('certificates')
    make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / 'server.pem', folder / 'server.key')
    return str(folder / 'ca.pem'), context


@pytest.fixture
def reading(make_company, receiver):
    """An intake reader on its own, and one subscription of everything."""
    company = make_company(settings={'webhooks.delivery': 'worker'})
    company.subscribe('/', receiver.url)
    return Reading(company)
