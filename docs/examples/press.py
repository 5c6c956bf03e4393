"""More events: one without an object, one that is one owner's business."""

from journal import Article, Journal


def add_stopped(config):
    config.add_webhook_event(
        'press.stopped',
        description='Nothing will be printed for some time.',
        schema={'type': 'object', 'properties': {'reason': {'type': 'string'}}},
        example={'reason': 'paper'},
    )


def stop(journal, request):
    """Stop the press."""
    request.webhooks.notify('press.stopped', payload={'reason': request.params['reason']})
    return {}


def author_of(article):
    """Whoever may hear of the money."""
    return article.title.partition(', by ')[2] or None


def add_sold(config):
    config.add_webhook_event('article.sold', for_=Article, owner_of=author_of)


def sell(article, request):
    """Sell an article to another journal."""
    request.webhooks.notify('article.sold', article)
    return {}


def includeme(config):
    add_stopped(config)
    add_sold(config)
    for view, context in (stop, Journal), (sell, Article):
        config.add_view(view, name=view.__name__, context=context, renderer='json')
