"""What every page shows around its own content."""

from __future__ import annotations

from pyramid.events import BeforeRender, subscriber
from pyramid.location import lineage

from demo.people import PEOPLE
from demo.resources import Company, Folder


@subscriber(BeforeRender)
def add_surroundings(event) -> None:
    """Give the templates the company's tree, the way to here, and who may be chosen."""
    if not str(event.get('renderer_name', '')).endswith('.jinja2'):
        return
    request = event['request']
    here = list(lineage(request.context))
    company = here[-1] if isinstance(here[-1], Company) else request.root
    event['company'] = company
    event['departments'] = [item for item in company.values() if isinstance(item, Folder)]
    event['crumbs'] = [item for item in reversed(here) if hasattr(item, 'title')]
    event['people'] = PEOPLE.values()
    event['me'] = request.identity
    event['receiver_url'] = request.registry.settings['demo.receiver_url']
