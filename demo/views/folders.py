"""The company, its departments and its offices."""

from __future__ import annotations

import re

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.view import view_config, view_defaults
from zope.lifecycleevent import ObjectAddedEvent, ObjectModifiedEvent, ObjectRemovedEvent

from demo.resources import Company, Department, Employee, Folder, Office
from demo.views.forms import back_to, text

PAGE_SIZE = 50


@view_defaults(context=Folder)
class FolderViews:
    """Looking at a folder, and changing what is in it."""

    def __init__(self, context, request):
        self.context = context
        self.request = request

    @view_config(context=Company, permission='browse', renderer='demo:templates/company.jinja2')
    @view_config(
        context=Department, permission='browse', renderer='demo:templates/department.jinja2'
    )
    def show(self):
        """The folders in this one, and how many people the visitor can see in each office."""
        offices = [item for item in below(self.context) if isinstance(item, Office)]
        return {'offices': [(office, len(self._visible(office))) for office in offices]}

    @view_config(context=Office, permission='browse', renderer='demo:templates/office.jinja2')
    def show_office(self):
        """The employees that the visitor may see, a page of them."""
        employees = self._visible(self.context)
        pages = max(1, -(-len(employees) // PAGE_SIZE))
        wanted = self.request.params.get('page', '1')
        page = min(max(1, int(wanted)), pages) if re.fullmatch('[0-9]{1,6}', wanted) else 1
        return {
            'employees': employees[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
            'total': len(employees),
            'page': page,
            'pages': pages,
        }

    @view_config(name='add', context=Company, request_method='POST', permission='edit')
    @view_config(name='add', context=Department, request_method='POST', permission='edit')
    def add(self):
        """Add a department to the company, or an office to a department."""
        made = Department if isinstance(self.context, Company) else Office
        name = text(self.request, 'name').upper()
        if not re.fullmatch('[A-Z]{2,5}', name):
            raise HTTPBadRequest(f'The code "{name}" is not made of two to five letters.')
        if name in self.context:
            raise HTTPBadRequest(f'There is a {name} here already: choose another code.')
        child = self.context[name] = made(text(self.request, 'title'))
        self.request.registry.notify(ObjectAddedEvent(child, self.context, name))
        return back_to(self.request, child, f'{child.title} was added.')

    @view_config(name='rename', context=Department, request_method='POST', permission='edit')
    @view_config(name='rename', context=Office, request_method='POST', permission='edit')
    def rename(self):
        """Give the folder another title."""
        self.context.title = text(self.request, 'title')
        self.request.registry.notify(ObjectModifiedEvent(self.context))
        return back_to(self.request, self.context, 'Renamed.')

    @view_config(name='remove', context=Department, request_method='POST', permission='edit')
    @view_config(name='remove', context=Office, request_method='POST', permission='edit')
    def remove(self):
        """Close the department or the office, with everything in it."""
        parent = self.context.__parent__
        for item in below(self.context):
            removed(self.request, item)
        removed(self.request, self.context)
        del parent[self.context.__name__]
        return back_to(self.request, parent, f'{self.context.title} was closed.')

    @view_config(name='let-go', request_method='POST', permission='browse')
    def let_go(self):
        """Empty several offices at once, in one transaction."""
        chosen = set(self.request.POST.getall('office'))
        offices = [
            item
            for item in below(self.context)
            if isinstance(item, Office) and item.path in chosen
        ]
        count = 0
        for office in offices:
            if not self.request.has_permission('edit', office):
                raise HTTPBadRequest(f'You may not let anybody go from {office.title}.')
            for employee in self._visible(office):
                removed(self.request, employee)
                del office[employee.__name__]
                count += 1
        return back_to(self.request, self.context, f'{count} people were let go.')

    def _visible(self, office: Office) -> list[Employee]:
        may = self.request.has_permission
        return [employee for employee in office.values() if may('view', employee)]


def below(folder: Folder):
    """Everything in ``folder``, what is deepest first."""
    for child in list(folder.values()):
        if isinstance(child, Folder):
            yield from below(child)
        yield child


def removed(request, resource) -> None:
    """Announce that ``resource`` goes, while it still stands where it stood."""
    event = ObjectRemovedEvent(resource, resource.__parent__, resource.__name__)
    request.registry.notify(event)
