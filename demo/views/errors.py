"""Pages for what could not be done."""

from __future__ import annotations

from pyramid.exceptions import URLDecodeError
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.view import exception_view_config, forbidden_view_config, notfound_view_config

TEMPLATE = 'demo:templates/error.jinja2'


@forbidden_view_config(accept='text/html', renderer=TEMPLATE)
def forbidden(exception, request):
    """Say who may not do it."""
    request.response.status = 403
    who = request.identity.name if request.identity else 'Nobody'
    return {
        'heading': f'{who} may not do that',
        'text': 'Choose another person at the top of the page and try again.',
    }


@notfound_view_config(accept='text/html', renderer=TEMPLATE)
def not_found(exception, request):
    """Say that nothing is there."""
    request.response.status = 404
    return {'heading': 'There is nothing here', 'text': f'No page has the address {request.path}'}


@exception_view_config(HTTPBadRequest, accept='text/html', renderer=TEMPLATE)
def bad_request(exception, request):
    """Say what was wrong with a form."""
    request.response.status = 400
    return {'heading': 'That did not work', 'text': exception.detail or exception.explanation}


@exception_view_config(URLDecodeError)
def bad_address(exception, request):
    """Say that the address can not be read; it can't be shown in a page either."""
    return HTTPBadRequest('The address is not valid UTF-8.')
