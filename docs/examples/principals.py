"""Who somebody is, for a policy that can't say what others may do."""

from pyramid.authorization import Authenticated, Everyone

from journal import PASSWORDS


def principals_of(userid, request):
    """What ``userid`` is known as; None for somebody who left."""
    if userid in PASSWORDS:
        return [Everyone, Authenticated, userid]


def includeme(config):
    config.set_webhook_principals(principals_of)
