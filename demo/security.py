"""Who is asking, and what anybody may do."""

from __future__ import annotations

from pyramid.authentication import AuthTktCookieHelper
from pyramid.authorization import ACLHelper, Authenticated, Everyone
from zope.interface import implementer

from demo.people import PEOPLE, Person
from pyramid_webhooks.interfaces import IPermitsFor


@implementer(IPermitsFor)
class CompanySecurityPolicy:
    """Knows people by a signed cookie and judges them by the resources' access control lists.

    ``permits_for`` is what webhooks ask: a subscription receives only what its owner may see, and
    its owner is seldom the one who makes the request.
    """

    def __init__(self, secret: str):
        self._cookie = AuthTktCookieHelper(
            secret, hashalg='sha512', http_only=True, samesite='Strict'
        )
        self._acl = ACLHelper()

    def identity(self, request) -> Person | None:
        claimed = self._cookie.identify(request)
        return PEOPLE.get(claimed['userid']) if claimed else None

    def authenticated_userid(self, request) -> str | None:
        person = request.identity
        return person.userid if person else None

    def permits(self, request, context, permission):
        return self._permits(self.authenticated_userid(request), context, permission)

    def permits_for(self, userid, context, permission):
        if userid not in PEOPLE:
            return None
        return self._permits(userid, context, permission)

    def remember(self, request, userid, **kw):
        return self._cookie.remember(request, userid, **kw)

    def forget(self, request, **kw):
        return self._cookie.forget(request, **kw)

    def _permits(self, userid, context, permission):
        principals = {Everyone} if userid is None else {Everyone, Authenticated, userid}
        return self._acl.permits(context, principals, permission)
