"""Judging the owner of a subscription with the application's own security policy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from pyramid.authorization import ACLHelper, Authenticated, Everyone
from pyramid.interfaces import (
    IAuthenticationPolicy,
    IAuthorizationPolicy,
    ISecurityPolicy,
)
from pyramid.registry import Registry
from zope.interface import implementer

from pyramid_webhooks.emit.requests import request_for
from pyramid_webhooks.interfaces import (
    IApplicability,
    IPermissionNames,
    IPermitsFor,
    IPrincipalsResolver,
    ISettings,
)

logger = logging.getLogger(__name__)

#: What is answered where nobody has the userid or defines the permission, or nothing can tell.
UNKNOWN = None
#: What is registered, by its interface: looked up once where many owners are judged in a row.
Found = dict[Any, Any]
Judge = Callable[[str, Any, str, Any, Found], bool | None]


@implementer(IApplicability)
class Applicability:
    """Asks, in this order: a policy with ``permits_for``, the resolver of principals that
    ``set_webhook_principals`` registered, the legacy pair of policies. Otherwise the answer is no.
    """

    def __init__(self, registry: Registry):
        self._registry = registry
        self._permission = registry.getUtility(ISettings).permission
        self._acl = ACLHelper()
        self._judge: Judge | None = None
        self._defined: frozenset[str] = frozenset()

    def is_applicable(self, subscription: Any, obj: Any, request: Any = None) -> bool:
        """Whether the owner of ``subscription`` has its permission on ``obj`` now."""
        if subscription.owner is None:
            return True
        permission = self.permission_of(subscription)
        return self.judge(subscription.owner, permission, obj, request) is True

    def permission_of(self, subscription: Any) -> str:
        """The permission that the owner of ``subscription`` needs."""
        return subscription.permission or self._permission

    def judge(
        self,
        owner: str,
        permission: str,
        obj: Any,
        request: Any = None,
        found: Found | None = None,
    ) -> bool | None:
        """Whether ``owner`` has ``permission`` on ``obj``; None where nobody can tell.

        :param found: the same dict for owners that are judged in a row, empty at first.
        """
        judge = self._judge
        if judge is None:
            judge = self._judge = self._choose_judge()
        try:
            if request is None:
                request = request_for(self._registry)
            verdict = judge(owner, obj, permission, request, {} if found is None else found)
            if verdict is False and not self._is_defined(permission):
                return UNKNOWN
            return verdict
        except Exception:
            logger.exception(
                'The permission %r of %r could not be judged; that is a no.', permission, owner
            )
            return UNKNOWN

    def _is_defined(self, permission: str) -> bool:
        # A view may be added at any time, but what is defined once stays so.
        if permission not in self._defined:
            self._defined = frozenset(self._registry.getUtility(IPermissionNames)())
        return permission in self._defined

    def can_tell(self) -> bool:
        """Whether there is a way to judge owners in this application."""
        return self._choose_judge() != self._nobody_can_tell

    def _choose_judge(self) -> Judge:
        registry = self._registry
        policy = registry.queryUtility(ISecurityPolicy)
        if IPermitsFor.providedBy(policy) or callable(getattr(policy, 'permits_for', None)):
            return self._by_policy
        if registry.queryUtility(IPrincipalsResolver) is not None:
            return self._by_principals
        authentication = registry.queryUtility(IAuthenticationPolicy)
        if hasattr(authentication, 'callback'):
            return self._by_callback
        return self._nobody_can_tell

    def _utility(self, interface: Any, found: Found) -> Any:
        try:
            return found[interface]
        except KeyError:
            utility = found[interface] = self._registry.queryUtility(interface)
            return utility

    def _by_policy(
        self, owner: str, obj: Any, permission: str, request: Any, found: Found
    ) -> bool | None:
        policy = self._utility(ISecurityPolicy, found)
        answer = policy.permits_for(owner, obj, permission)
        return UNKNOWN if answer is None else bool(answer)

    def _by_principals(
        self, owner: str, obj: Any, permission: str, request: Any, found: Found
    ) -> bool | None:
        principals = self._utility(IPrincipalsResolver, found)(owner, request)
        if principals is None:
            return UNKNOWN
        return self._permits(obj, principals, permission, found)

    def _by_callback(
        self, owner: str, obj: Any, permission: str, request: Any, found: Found
    ) -> bool | None:
        callback = self._utility(IAuthenticationPolicy, found).callback
        groups = () if callback is None else callback(owner, request)
        if groups is None:
            return UNKNOWN
        return self._permits(obj, [Everyone, Authenticated, owner, *groups], permission, found)

    def _nobody_can_tell(
        self, owner: str, obj: Any, permission: str, request: Any, found: Found
    ) -> None:
        return UNKNOWN

    def _permits(self, obj: Any, principals: Iterable[str], permission: str, found: Found) -> bool:
        legacy = self._utility(IAuthorizationPolicy, found)
        permits = self._acl.permits if legacy is None else legacy.permits
        return bool(permits(obj, list(principals), permission))
