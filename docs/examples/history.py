"""A view of one's own for the history of a subscription."""

from pyramid_webhooks.interfaces import ISubscription


def history(subscription, request):
    """What happened to each attempt, in a line."""
    return [
        f'{attempt.event} {attempt.number}: {attempt.message}'
        for attempt in subscription.attempts.values()
    ]


def includeme(config):
    config.add_view(
        history,
        name='history',
        context=ISubscription,
        permission='webhooks.view',
        renderer='json',
    )
