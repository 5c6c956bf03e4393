"""What every page shows around its own content."""

from __future__ import annotations

from pyramid.events import BeforeRender, subscriber
from pyramid.location import lineage

from demo.people import PEOPLE
from demo.resources import Resource


@subscriber(BeforeRender)
def add_surroundings(event) -> None:
    """Give the templates the company's tree, the way to here, and who may be chosen."""
    if not str(event.get('renderer_name', '')).endswith('.jinja2'):
        return
    request = event['request']
    here = [item for item in lineage(request.context) if isinstance(item, Resource)]
    event['company'] = here[-1]
    event['crumbs'] = here[::-1]
    event['people'] = PEOPLE.values()
    event['me'] = request.identity
    event['receiver_url'] = request.registry.settings['demo.receiver_url']
