"""What represents the journal's things, for those who subscribe to them."""

from pyramid.traversal import resource_path
from zope.lifecycleevent.interfaces import IObjectRemovedEvent

from journal import Article, Section


def summary(article):
    """An article in short."""
    return {'title': article.title, 'href': resource_path(article)}


def obituary(section, event):
    """A section that has been removed."""
    return {'removed': section.__name__}


def includeme(config):
    config.add_webhook_payload(summary, Article)
    config.add_webhook_payload(obituary, Section, when=IObjectRemovedEvent)
