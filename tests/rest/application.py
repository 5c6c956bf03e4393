"""A small application: folders and documents with access control lists, people by a header."""

from __future__ import annotations

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from pyramid.authorization import ACLHelper, Allow, Authenticated, Everyone
from pyramid.config import Configurator
from pyramid_zodbconn import get_connection
from zope.interface import Interface, implementer
from zope.lifecycleevent.interfaces import IObjectAddedEvent, IObjectModifiedEvent

PEOPLE = {'admin', 'viewer', 'adder', 'other', 'editor', 'stranger'}


class IDocument(Interface):
    """Something to read."""


class Folder(Persistent):
    """Holds folders and documents."""

    __name__ = None
    __parent__ = None
    __acl__ = ()

    def __init__(self):
        self._children = OOBTree()

    def __getitem__(self, name):
        return self._children[name]

    def __setitem__(self, name, child):
        child.__name__, child.__parent__ = name, self
        self._children[name] = child


class Shelf(OOBTree):
    """A folder whose class would silently drop attributes."""


@implementer(IDocument)
class Document(Persistent):
    """No folder."""

    __name__ = None
    __parent__ = None

    def __json__(self, request):
        return {'id': self.__name__}


class Policy:
    """The header ``X-User`` says who it is."""

    def __init__(self):
        self._acl = ACLHelper()

    def identity(self, request):
        return request.headers.get('X-User')

    authenticated_userid = identity

    def permits(self, request, context, permission):
        return self._permits(self.identity(request), context, permission)

    def permits_for(self, userid, context, permission):
        return self._permits(userid, context, permission) if userid in PEOPLE else None

    def remember(self, request, userid, **kw):
        return []

    def forget(self, request, **kw):
        return []

    def _permits(self, userid, context, permission):
        principals = {Everyone} if userid is None else {Everyone, Authenticated, userid}
        return self._acl.permits(context, principals, permission)


ROOT_ACL = [
    (Allow, 'admin', ('view', 'webhooks.view', 'webhooks.add', 'webhooks.edit')),
    (Allow, 'admin', ('webhooks.delete', 'webhooks.retry', 'webhooks.admin')),
    (Allow, 'viewer', 'webhooks.view'),
    (Allow, 'editor', ('webhooks.view', 'webhooks.edit')),
    (Allow, ('adder'), 'webhooks.add'),
    (Allow, 'other', 'webhooks.add'),
]


def make_site():
    """``/``, ``/docs``, ``/docs/deep`` and ``/docs/leaf``, and ``/shelf``."""
    site = Folder()
    site.__acl__ = ROOT_ACL
    site['docs'] = Folder()
    site['docs']['deep'] = Folder()
    site['docs']['leaf'] = Document()
    site['shelf'] = Shelf()
    return site


def root_factory(request):
    root = get_connection(request).root()
    if 'site' not in root:
        root['site'] = make_site()
    return root['site']


def site_view(request):
    return {'view': 'default', 'context': type(request.context).__name__}


def configure(
    path,
    extend=None,
    before=None,
    policy=None,
    root_factory=root_factory,
    prefix=None,
    **settings,
):
    """A Configurator of the application with its database at ``path``.

    :param extend: configures it further; ``before`` does so before pyramid_webhooks is included.
    :param prefix: the route prefix of pyramid_webhooks.
    """
    defaults = {
        'zodbconn.uri': f'file://{path}/Data.fs?connection_pool_size=20',
        'tm.manager_hook': 'pyramid_tm.explicit_manager',
        'webhooks.allow_http': 'true',
        'webhooks.allowed_networks': '127.0.0.0/8',
        'webhooks.retry_schedule': '',
    }
    config = Configurator(settings={**defaults, **settings}, root_factory=root_factory)
    config.set_security_policy(policy or Policy())
    config.include('pyramid_tm')
    config.include('pyramid_zodbconn')
    if before is not None:
        before(config)
    config.include('pyramid_webhooks', route_prefix=prefix)
    config.add_webhook_event(
        'document.added',
        for_=IDocument,
        when=IObjectAddedEvent,
        schema={'type': 'object'},
        description='A document was added.',
        example={'id': 'leaf'},
    )
    config.add_webhook_event('document.modified', for_=IDocument, when=IObjectModifiedEvent)
    config.add_webhook_event('document.read', for_=IDocument)
    config.add_webhook_event('folder.added', for_=Folder, when=IObjectAddedEvent)
    config.add_view(site_view, renderer='json')
    config.add_view(site_view, name='plain', renderer='json', permission='view')
    if extend is not None:
        extend(config)
    return config
