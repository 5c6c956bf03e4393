"""What headers a subscription may have."""

import pytest

from pyramid_webhooks.delivery.request_head import TRANSPORT_HEADERS
from pyramid_webhooks.interfaces import InvalidArgument
from pyramid_webhooks.resources.arguments import check_headers


@pytest.mark.parametrize('name', sorted(TRANSPORT_HEADERS | {'content-length', 'accept-encoding'}))
def test_a_header_that_the_transport_sets_is_refused_when_the_subscription_is_made(name):
    with pytest.raises(InvalidArgument, match='is set by the sender itself'):
        check_headers({name.title(): 'a'})
