"""The owner of a subscription may look at it; a deputy does the rest."""

from pyramid_webhooks.interfaces import ISubscription, ISubscriptionGrants

DEPUTY = 'eve'


class LookOnly:
    def __init__(self, subscription):
        self.subscription = subscription

    def grants(self):
        granted = {DEPUTY: ('webhooks.view', 'webhooks.edit', 'webhooks.delete')}
        owner = self.subscription.owner
        if owner not in (None, DEPUTY):
            granted[owner] = ('webhooks.view',)
        return granted


def includeme(config):
    config.registry.registerAdapter(LookOnly, (ISubscription,), ISubscriptionGrants)
