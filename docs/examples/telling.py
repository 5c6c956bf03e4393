"""The application hears of what its webhooks do."""

import logging

from pyramid_webhooks.interfaces import IDeliveryExhausted

log = logging.getLogger('journal')


def tell_the_owner(event):
    """Somebody's receiver did not take a message, however often it was tried."""
    log.warning('%s: %s never arrived.', event.object.owner, event.message_id)


def includeme(config):
    config.add_subscriber(tell_the_owner, IDeliveryExhausted)
