"""Judging owners, whatever kind of policy the application has."""

import warnings

import pytest
from pyramid.authentication import AuthTktAuthenticationPolicy
from pyramid.authorization import ACLAuthorizationPolicy, Allow, Authenticated, Everyone
from pyramid.config import Configurator
from pyramid.interfaces import IAuthorizationPolicy, ISecurityPolicy
from zope.interface import implementer

from pyramid_webhooks.interfaces import IApplicability, IPermitsFor


class Resource:
    """A resource with an ACL."""

    __parent__ = None

    def __init__(self, *acl):
        self.__acl__ = list(acl)


class Subscription:
    """What is judged."""

    def __init__(self, owner, permission=None):
        self.owner, self.permission = owner, permission


@implementer(ISecurityPolicy)
class Policy:
    """A policy that knows only the current user."""

    def identity(self, request):
        return None

    def authenticated_userid(self, request):
        return None

    def permits(self, request, context, permission):
        return True

    def remember(self, request, userid, **keywords):
        return []

    def forget(self, request, **keywords):
        return []


@implementer(IPermitsFor)
class Judging(Policy):
    """A policy that can judge others."""

    def __init__(self, answer):
        self.answer = answer

    def permits_for(self, userid, context, permission):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if (userid, permission) == ('ann', 'view') else False


def applicability(setup=lambda config: None, **settings):
    config = Configurator(settings={f'webhooks.{k}': v for k, v in settings.items()})
    config.include('pyramid_webhooks')
    setup(config)
    config.commit()
    return config.registry.getUtility(IApplicability)


def legacy(callback):
    def setup(config):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)
            config.set_authorization_policy(ACLAuthorizationPolicy())
            config.set_authentication_policy(AuthTktAuthenticationPolicy('x', callback=callback))

    return setup


@pytest.mark.parametrize(
    'answer, verdict',
    [(True, True), (1, True), (False, False), (None, None), (LookupError('down'), None)],
)
def test_a_policy_with_permits_for_is_asked(answer, verdict):
    judge = applicability(lambda config: config.set_security_policy(Judging(answer)))
    assert judge.can_tell()
    assert judge.judge('ann', 'view', Resource()) is verdict
    assert judge.is_applicable(Subscription('ann'), Resource()) is (verdict is True)
    assert judge.is_applicable(Subscription(None), Resource()) is True


def test_what_is_registered_later_counts_for_those_that_are_judged_then():
    asked = applicability(lambda config: config.set_security_policy(Judging(True)))
    found = {}
    assert asked.judge('ann', 'view', Resource(), found=found) is True
    asked._registry.registerUtility(Judging(False), ISecurityPolicy)
    assert asked.judge('ann', 'view', Resource(), found=found) is True
    assert asked.judge('ann', 'view', Resource(), found={}) is False
    assert asked.is_applicable(Subscription('ann'), Resource()) is False


def test_a_broken_policy_of_the_old_kind_harms_nothing():
    asked = applicability(legacy(lambda userid, request: []))
    asked._registry.registerUtility(object(), IAuthorizationPolicy)
    assert asked.judge('ann', 'view', Resource()) is None


def test_the_permission_is_the_subscriptions_or_that_of_the_settings():
    judge = applicability(
        lambda config: config.set_security_policy(Judging(True)), permission='read'
    )
    assert judge.is_applicable(Subscription('ann', 'view'), Resource()) is True
    assert judge.is_applicable(Subscription('ann'), Resource()) is False


def test_a_resolver_of_principals_is_asked_with_a_request_even_outside_of_any():
    asked = []

    def resolver(userid, request):
        asked.append((userid, request.registry))
        return {'ann': ['ann', 'staff'], 'ben': []}.get(userid)

    def setup(config):
        config.set_security_policy(Policy())
        config.set_webhook_principals(resolver)

    judge = applicability(setup)
    resource = Resource((Allow, 'staff', 'view'))
    assert judge.judge('ann', 'view', resource) is True
    assert judge.judge('ben', 'view', resource) is False
    assert judge.judge('ghost', 'view', resource) is None
    assert all(registry is judge._registry for _, registry in asked)
    assert [userid for userid, _ in asked] == ['ann', 'ben', 'ghost']


def test_permits_for_goes_before_a_resolver():
    def setup(config):
        config.set_security_policy(Judging(True))
        config.set_webhook_principals(lambda userid, request: None)

    assert applicability(setup).judge('ann', 'view', Resource()) is True


def test_the_callback_of_a_legacy_policy_is_asked():
    judge = applicability(legacy(lambda userid, request: {'ann': ['staff']}.get(userid)))
    assert judge.judge('ann', 'view', Resource((Allow, 'staff', 'view'))) is True
    assert judge.judge('ann', 'view', Resource((Allow, 'ann', 'view'))) is True
    assert judge.judge('ann', 'view', Resource((Allow, Authenticated, 'view'))) is True
    assert judge.judge('ann', 'view', Resource((Allow, 'boss', 'view'))) is False
    assert judge.judge('ghost', 'view', Resource((Allow, Everyone, 'view'))) is None


def test_a_legacy_policy_without_a_callback_knows_everybody():
    judge = applicability(legacy(None))
    assert judge.judge('anyone', 'view', Resource((Allow, 'anyone', 'view'))) is True
    assert judge.judge('anyone', 'view', Resource()) is False


@pytest.mark.parametrize(
    'setup', [lambda config: None, lambda config: config.set_security_policy(Policy())]
)
def test_where_nobody_can_tell_the_answer_is_no(setup):
    judge = applicability(setup)
    assert not judge.can_tell()
    assert judge.judge('ann', 'view', Resource((Allow, Everyone, 'view'))) is None
    assert judge.is_applicable(Subscription('ann'), Resource()) is False


def test_the_acl_of_the_lineage_counts():
    judge = applicability(
        lambda config: config.set_webhook_principals(lambda userid, request: [userid])
    )
    parent, child = Resource((Allow, 'ann', 'view')), Resource()
    child.__parent__ = parent
    assert judge.judge('ann', 'view', child) is True
    assert judge.judge('ben', 'view', child) is False
