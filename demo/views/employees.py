"""Hiring employees, changing what is known of them, and letting them go."""

from __future__ import annotations

import itertools

from pyramid.view import view_config, view_defaults
from zope.lifecycleevent import ObjectAddedEvent, ObjectModifiedEvent

from demo.resources import Employee, Office
from demo.views.folders import removed
from demo.views.forms import back_to, optional_text, text

FIRST_NAMES = (
    'Aisha Bruno Carmen Daniel Elif Farid Grace Hana Ivan Julia Kofi Lena Mateo Nadia Otto Priya '
    'Quentin Rosa Samir Tove'
).split()
LAST_NAMES = 'Abbott Berg Castillo Diaz Eriksen Fofana Grant Huang Ito Jensen'.split()


@view_config(context=Office, name='hire', request_method='POST', permission='edit')
def hire(context, request):
    """Hire one employee."""
    employee = Employee(
        text(request, 'name'), optional_text(request, 'job'), 'confidential' in request.POST
    )
    _hired(request, context, employee)
    return back_to(request, context, f'{employee.title} was hired.')


@view_config(context=Office, name='hire-many', request_method='POST', permission='edit')
def hire_many(context, request):
    """Hire two hundred in one transaction."""
    names = [f'{first} {last}' for first, last in itertools.product(FIRST_NAMES, LAST_NAMES)]
    for name in names:
        _hired(request, context, Employee(name, 'Trainee'))
    return back_to(request, context, f'{len(names)} people were hired.')


def _hired(request, office, employee):
    office.hire(employee)
    request.registry.notify(ObjectAddedEvent(employee, office, employee.__name__))


@view_defaults(context=Employee)
class EmployeeViews:
    """One employee."""

    def __init__(self, context, request):
        self.context = context
        self.request = request

    @view_config(permission='view', renderer='demo:templates/employee.jinja2')
    def show(self):
        """What is known of them, and the forms to change it."""
        return {}

    @view_config(name='edit', request_method='POST', permission='edit')
    def edit(self):
        """Change name, job, or whether others than the president may know."""
        self.context.title = text(self.request, 'name')
        self.context.job = optional_text(self.request, 'job')
        self.context.confidential = 'confidential' in self.request.POST
        self.request.registry.notify(ObjectModifiedEvent(self.context))
        return back_to(self.request, self.context.__parent__, f'{self.context.title} was changed.')

    @view_config(name='promote', request_method='POST', permission='edit')
    def promote(self):
        """Raise them a grade, which is an event of its own and has a name, not a class."""
        self.context.grade += 1
        self.request.webhooks.notify('employee.promoted', self.context)
        return back_to(
            self.request,
            self.context.__parent__,
            f'{self.context.title} was promoted to grade {self.context.grade}.',
        )

    @view_config(name='remove', request_method='POST', permission='edit')
    def remove(self):
        """Let them go."""
        office = self.context.__parent__
        removed(self.request, self.context)
        del office[self.context.__name__]
        return back_to(self.request, office, f'{self.context.title} was let go.')
