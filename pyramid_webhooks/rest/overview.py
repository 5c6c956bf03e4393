"""The service that shows what all subscriptions are owed, and who sends it.

No subscription can have its name: ids have no dots.
"""

from __future__ import annotations

from typing import Any

from pyramid_webhooks.interfaces import IOverview
from pyramid_webhooks.registries import connection_to_global
from pyramid_webhooks.resources.lineage import lineage
from pyramid_webhooks.resources.presenting import overview_json
from pyramid_webhooks.resources.subscription import ADMIN
from pyramid_webhooks.resources.traversal import manager_at
from pyramid_webhooks.rest.access import demand
from pyramid_webhooks.rest.context import find_manager
from pyramid_webhooks.rest.services import make_service

#: Pieces of the outbox that are looked at: an answer soon is worth more than the last digit.
_LIMIT = 2000

overview_service = make_service(
    'overview', '/statistics.json', find_manager, 'What is owed, and who sends it.'
)


def _may_see_everything(request: Any, **_: Any) -> None:
    # It is about the whole application, so that the permission in a single folder is too little.
    *_, root = lineage(request.context.__parent__)
    demand(request, ADMIN, manager_at(root) or root, 'see what all are owed')


@overview_service.get(validators=(_may_see_everything,))
def get_overview(request: Any) -> dict[str, Any]:
    """What is owed in the whole application, and the processes that send it."""
    overview = request.registry.getUtility(IOverview)
    connection = connection_to_global(request.registry, request.context)
    return overview_json(overview.backlog(connection, _LIMIT), overview.processes(connection))
