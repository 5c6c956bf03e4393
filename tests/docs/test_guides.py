"""The examples of the guides, in the tutorial's journal."""

from __future__ import annotations

import pytest

from tests.docs.sessions import run_page

GUIDES = (
    'subscriptions.rst',
    'finding.rst',
    'delivery-security.rst',
    'subscription-security.rst',
    'payloads.rst',
    'events.rst',
    'removing.rst',
    'delivery.rst',
    'signing.rst',
    'destinations.rst',
    'troubleshooting.rst',
    'from-nti-webhooks.rst',
    'from-django-rest-hooks.rst',
)


@pytest.mark.parametrize('name', GUIDES)
def test_the_examples_of_a_guide_do_what_it_says(name, names):
    run_page(name, names)
