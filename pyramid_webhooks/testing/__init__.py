"""What an application's tests need to see its webhooks arrive."""

from pyramid_webhooks.testing.receiver import Receiver
from pyramid_webhooks.testing.waiting import wait_for_deliveries
from pyramid_webhooks.testing.wire import Answer, ReceivedRequest

__all__ = ['Answer', 'ReceivedRequest', 'Receiver', 'wait_for_deliveries']
