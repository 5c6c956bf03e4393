"""Who of those that match may get an event."""

import pytest
from pyramid.authorization import Allow
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.threadlocal import RequestContext
from zope.interface.interfaces import ObjectEvent

from pyramid_webhooks.emit.verdicts import Verdicts
from pyramid_webhooks.events import AttemptSucceeded, EventType
from pyramid_webhooks.resources.arguments import Wanted
from pyramid_webhooks.resources.globals import GlobalSubscription
from pyramid_webhooks.resources.subscription import Subscription

TO = 'https://receiver.example/'
EVERYTHING = Wanted(('*',), None, None)


class Resource:
    """A resource with an ACL."""

    def __init__(self, **grants):
        self.__acl__ = [(Allow, who, permission) for who, permission in grants.items()]


class Asked:
    """Says who somebody is, and remembers being asked."""

    def __init__(self):
        self.userids = []

    def __call__(self, userid, request):
        self.userids.append(userid)
        return None if userid == 'ghost' else [userid]


class Headers:
    """A policy that believes a header, and whose permissions are those of a resource's ACL."""

    def authenticated_userid(self, request):
        return request.headers.get('X-User')

    identity = authenticated_userid

    def permits(self, request, context, permission):
        if context is None:
            raise LookupError('permits of nothing')
        return (Allow, self.identity(request), permission) in context.__acl__

    def remember(self, request, userid, **keywords):
        return []

    forget = remember


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def registry(asked):
    return configured(asked)


def configured(asked, **settings):
    settings = {f'webhooks.{name}': value for name, value in settings.items()}
    config = Configurator(settings={'webhooks.rest': 'false', **settings})
    config.include('pyramid_webhooks')
    config.set_security_policy(Headers())
    config.set_webhook_principals(asked)
    config.commit()
    return config.registry


def subscription(owner=None, permission=None, id='audit', cls=GlobalSubscription):
    return cls(id, TO, EVERYTHING, owner=owner, permission=permission)


def verdicts(registry, obj, event=None, event_type=None):
    return Verdicts(registry, obj, event or ObjectEvent(obj), event_type, obj)


def test_an_owner_needs_the_permission_and_one_without_owner_needs_none(registry):
    judged = verdicts(registry, Resource(ann='view', ben='edit'))
    assert judged.refusal(subscription()) is None
    assert judged.refusal(subscription('ann')) is None
    assert judged.refusal(subscription('ben')) == "'ben' has not the permission 'view'"
    assert judged.refusal(subscription('ben', 'edit')) is None
    assert judged.refusal(subscription('ghost')) == "nobody can tell whether 'ghost' may 'view'"
    assert [each.owner for each in judged.unknown] == ['ghost']


def test_an_owner_is_judged_once_for_one_event_however_many_subscriptions_there_are(
    registry, asked
):
    judged = verdicts(registry, Resource(ann='view'))
    for number in range(5):
        assert judged.refusal(subscription('ann', id=f's{number}')) is None
    assert asked.userids == ['ann']
    judged.refusal(subscription('ann', 'edit'))
    judged.refusal(subscription('ben'))
    assert asked.userids == ['ann', 'ann', 'ben']
    verdicts(registry, Resource(ann='view')).refusal(subscription('ann'))
    assert asked.userids == ['ann', 'ann', 'ben', 'ann']


def test_a_subscription_that_can_not_be_judged_is_refused(registry, caplog):
    class Broken(GlobalSubscription):
        def is_applicable(self, obj, request=None):
            raise LookupError('broken')

    judged = verdicts(registry, Resource(ann='view'))
    assert 'has not the permission' in judged.refusal(subscription('ann', cls=Broken))
    assert 'that is a no' in caplog.text


@pytest.mark.parametrize('owner, refused', [('ann', False), ('ben', True), (None, True)])
def test_where_the_object_has_an_owner_only_subscriptions_of_that_one_count(
    registry, owner, refused
):
    event_type = EventType('a.b', owner_of=lambda obj: 'ann')
    judged = verdicts(registry, Resource(ann='view', ben='view'), event_type=event_type)
    refusal = judged.refusal(subscription(owner))
    assert (refusal is not None) is refused
    assert refusal is None or 'owner of the object only' in refusal


@pytest.mark.parametrize('owner_of', [lambda obj: None, lambda obj: 1 / 0])
def test_where_the_owner_of_the_object_is_unknown_nobody_gets_it(registry, owner_of, caplog):
    event_type = EventType('a.b', owner_of=owner_of)
    judged = verdicts(registry, Resource(ann='view'), event_type=event_type)
    assert judged.refusal(subscription('ann')) is not None
    assert judged.refusal(subscription()) is not None


def test_nobody_hears_of_their_own_attempts(registry):
    one, other = subscription(id='one'), subscription(id='other')
    judged = verdicts(registry, object(), AttemptSucceeded(object(), one))
    assert judged.refusal(one) == "it is about the subscription's own attempt"
    assert judged.refusal(subscription(id='one')) is not None
    assert judged.refusal(other) is None
    others = {'dialect': None, 'secret': None, 'headers': {}, 'description': ''}
    stored = [
        Subscription('one', TO, EVERYTHING, owner=None, permission=None, **others) for _ in 'ab'
    ]
    judged = verdicts(registry, object(), AttemptSucceeded(object(), stored[0]))
    assert judged.refusal(stored[0]) is not None
    assert judged.refusal(stored[1]) is None
    assert judged.refusal(one) is None


@pytest.mark.parametrize(
    'user, owner, reason',
    [
        ('ann', 'ben', None),
        ('ann', None, None),
        ('cid', 'ben', "the current user has not the permission 'view'"),
        ('cid', None, "the current user has not the permission 'view'"),
        ('ann', 'cid', "'cid' has not the permission 'view'"),
        (None, 'ben', "the current user has not the permission 'view'"),
    ],
)
def test_the_initiator_is_judged_too_where_that_is_wanted(asked, user, owner, reason):
    registry = configured(asked, check_initiator='true')
    request = Request.blank('/', headers={'X-User': user} if user else {})
    request.registry = registry
    with RequestContext(request):
        judged = verdicts(registry, Resource(ann='view', ben='view'))
        assert judged.refusal(subscription(owner)) == reason


def test_without_a_request_there_is_no_initiator_who_could_see_anything(asked):
    registry = configured(asked, check_initiator='true')
    judged = verdicts(registry, Resource(ann='view'))
    assert 'current user' in judged.refusal(subscription('ann'))


def test_an_initiator_that_can_not_be_judged_is_a_no(asked, caplog):
    registry = configured(asked, check_initiator='true')
    request = Request.blank('/', headers={'X-User': 'ann'})
    request.registry = registry
    with RequestContext(request):
        judged = Verdicts(registry, None, ObjectEvent(None), None, None)
        assert 'current user' in judged.refusal(subscription())
    assert 'The current user could not be judged' in caplog.text
