"""A journal with webhooks: sections that hold articles, some of which are drafts."""

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from pyramid.authentication import extract_http_basic_credentials
from pyramid.authorization import (
    ALL_PERMISSIONS,
    DENY_ALL,
    ACLHelper,
    Allow,
    Authenticated,
    Everyone,
)
from pyramid.config import Configurator
from pyramid_zodbconn import get_connection
from zope.lifecycleevent import ObjectAddedEvent, ObjectRemovedEvent
from zope.lifecycleevent.interfaces import IObjectAddedEvent, IObjectRemovedEvent

PASSWORDS = {'eve': 'the editor', 'sam': 'of science'}


class Folder(Persistent):
    __name__ = __parent__ = None

    def __init__(self):
        self.items = OOBTree()

    def __getitem__(self, name):
        return self.items[name]

    def __setitem__(self, name, item):
        item.__name__, item.__parent__ = name, self
        self.items[name] = item

    def __delitem__(self, name):
        del self.items[name]


class Journal(Folder):
    """The root. Eve is the editor; whoever has a password may read and subscribe."""

    __acl__ = (
        (Allow, 'eve', ALL_PERMISSIONS),
        (Allow, Authenticated, ('view', 'webhooks.add')),
    )


class Section(Folder):
    """A section of the journal."""


class Article(Persistent):
    """Something to read; drafts are for the editor alone."""

    def __init__(self, title, draft=False):
        self.title = title
        self.draft = draft

    def __acl__(self):
        return [(Allow, 'eve', ALL_PERMISSIONS), DENY_ALL] if self.draft else []

    def __json__(self, request):
        return {'id': self.__name__, 'title': self.title, 'draft': self.draft}


class SecurityPolicy:
    """Passwords say who asks, and access control lists what anybody may do."""

    acl = ACLHelper()

    def authenticated_userid(self, request):
        given = extract_http_basic_credentials(request)
        if given and PASSWORDS.get(given.username) == given.password:
            return given.username

    def permits(self, request, context, permission):
        return self.permits_for(self.authenticated_userid(request), context, permission)

    def permits_for(self, userid, context, permission):
        principals = [Everyone]
        if userid in PASSWORDS:
            principals += [Authenticated, userid]
        return self.acl.permits(context, principals, permission)


def read(folder, request):
    """What a folder holds."""
    return list(folder.items)


def write(section, request):
    """Add an article."""
    name, draft = request.params['name'], 'draft' in request.params
    article = section[name] = Article(request.params['title'], draft)
    request.registry.notify(ObjectAddedEvent(article, section, name))
    return article


def publish(article, request):
    """Let everybody read a draft."""
    article.draft = False
    request.webhooks.notify('article.published', article)
    return article


def withdraw(section, request):
    """Remove an article."""
    name = request.params['name']
    article = section[name]
    del section[name]
    request.registry.notify(ObjectRemovedEvent(article, section, name))
    return article


def root_factory(request):
    """The journal, founded when the database is new."""
    root = get_connection(request).root()
    if 'journal' not in root:
        root['journal'] = Journal()
        root['journal']['science'] = Section()
        root['journal']['culture'] = Section()
    return root['journal']


def main(global_config, **settings):
    """Make the WSGI application."""
    config = Configurator(settings=settings, root_factory=root_factory)
    config.set_security_policy(SecurityPolicy())
    config.include('pyramid_webhooks')
    config.add_webhook_event('article.added', for_=Article, when=IObjectAddedEvent)
    config.add_webhook_event('article.removed', for_=Article, when=IObjectRemovedEvent)
    config.add_webhook_event('article.published', for_=Article)
    config.add_view(read, context=Folder, renderer='json')
    for view, context in (write, Section), (withdraw, Section), (publish, Article):
        config.add_view(
            view, name=view.__name__, context=context, request_method='POST', renderer='json'
        )
    return config.make_wsgi_app()
