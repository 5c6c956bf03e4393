"""Being somebody else."""

from __future__ import annotations

from pyramid.httpexceptions import HTTPBadRequest, HTTPSeeOther
from pyramid.security import forget, remember
from pyramid.view import view_config

from demo.people import PEOPLE
from demo.resources import Company


@view_config(context=Company, name='become', request_method='POST')
def become(context, request):
    """Sign in as one of the three people, or out; then show the same page again."""
    userid = request.POST.get('userid', '')
    if userid in PEOPLE:
        headers = remember(request, userid)
    elif userid == '':
        headers = forget(request)
    else:
        raise HTTPBadRequest(f'Nobody is called {userid!r}; there are {", ".join(PEOPLE)}.')
    target = request.POST.get('page', '/')
    if not target.startswith('/') or target.startswith(('//', '/\\')):
        target = '/'
    return HTTPSeeOther(request.application_url + target, headers=headers)
