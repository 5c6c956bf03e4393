"""Pages about webhooks. They are empty: their script fills them from the REST interface."""

from __future__ import annotations

from pyramid.httpexceptions import HTTPNotFound
from pyramid.view import view_config

from demo.resources import Company, Folder


@view_config(
    context=Folder,
    name='webhooks',
    permission='browse',
    renderer='demo:templates/subscription.jinja2',
)
def show_subscription(context, request):
    """One subscription of a folder and its attempts, at ``@@webhooks/{id}``."""
    if len(request.subpath) != 1:
        raise HTTPNotFound()
    return {'rest_url': request.resource_url(context, '__webhooks__', request.subpath[0])}


@view_config(
    context=Company,
    name='receivers',
    permission='browse',
    renderer='demo:templates/receivers.jinja2',
)
def show_receivers(context, request):
    """What arrived, live, and how each receiver is to answer."""
    return {}
