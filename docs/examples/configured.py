"""Subscriptions that directives define."""


def add_search(config):
    config.add_webhook_subscription(
        'https://search.example.com/index',
        name='search',
        events=['article.*'],
        secret=config.registry.settings['search.secret'],
    )


def add_science(config):
    config.add_webhook_subscription(
        'https://science.example.com/hook',
        name='science',
        events=['article.*'],
        owner='sam',
        path='/science',
    )


def includeme(config):
    add_search(config)
    add_science(config)
