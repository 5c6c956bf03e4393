"""Reading what a form sent."""

from __future__ import annotations

from pyramid.httpexceptions import HTTPBadRequest, HTTPSeeOther


def text(request, name: str, longest: int = 100) -> str:
    """The text of the field ``name``, without surrounding spaces; it may not be empty."""
    value = optional_text(request, name, longest)
    if not value:
        raise HTTPBadRequest(f'The field "{name}" is empty: fill it in.')
    return value


def optional_text(request, name: str, longest: int = 100) -> str:
    """The text of the field ``name``, without surrounding spaces."""
    value = request.POST.get(name, '')
    if not isinstance(value, str) or len(value) > longest:
        raise HTTPBadRequest(f'The field "{name}" takes at most {longest} characters of text.')
    return value.strip()


def back_to(request, context, message: str) -> HTTPSeeOther:
    """Redirect to the page of ``context``, which will show ``message``."""
    request.session.flash(message)
    return HTTPSeeOther(request.resource_url(context))
