"""Authors who leave, and with them what they subscribed to."""

from persistent import Persistent
from zope.lifecycleevent import ObjectRemovedEvent

from journal import Journal


class Author(Persistent):
    """Somebody who writes."""

    def __init__(self, login):
        self.login = login


def join(journal, request):
    """Become an author."""
    login = request.params['login']
    journal[login] = Author(login)
    return {}


def leave(journal, request):
    """Stop to be one."""
    login = request.params['login']
    author = journal[login]
    del journal[login]
    request.registry.notify(ObjectRemovedEvent(author, journal, login))
    return {}


def add_removal(config):
    config.add_webhook_owner_removal(Author, owner_id=lambda author: author.login)


def includeme(config):
    add_removal(config)
    for view in join, leave:
        config.add_view(view, name=view.__name__, context=Journal, renderer='json')
