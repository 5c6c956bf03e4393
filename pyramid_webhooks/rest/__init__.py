"""The REST interface: Cornice services over the resource tree."""

from __future__ import annotations

from cornice.renderer import CorniceRenderer
from pyramid.config import Configurator

from pyramid_webhooks.resources.urls import add_url_adapters
from pyramid_webhooks.rest.attempts import attempt_service, attempts_service
from pyramid_webhooks.rest.description import description_service
from pyramid_webhooks.rest.errors import RENDERER, Refused, show_refusal
from pyramid_webhooks.rest.events import event_service, events_service
from pyramid_webhooks.rest.overview import overview_service
from pyramid_webhooks.rest.resending import ping_service, recover_service, retry_service
from pyramid_webhooks.rest.rotation import rotation_service
from pyramid_webhooks.rest.services import register_services
from pyramid_webhooks.rest.subscriptions import (
    folder_service,
    statistics_service,
    subscription_service,
)

#: In the order in which their routes are tried.
SERVICES = (
    folder_service,
    description_service,
    overview_service,
    events_service,
    event_service,
    statistics_service,
    ping_service,
    recover_service,
    attempts_service,
    attempt_service,
    retry_service,
    rotation_service,
    subscription_service,
)


def includeme(config: Configurator) -> None:
    """Offer the services, and let ``request.resource_url`` lead to them."""
    config.add_renderer(RENDERER, CorniceRenderer())
    config.add_exception_view(show_refusal, context=Refused)
    register_services(config, SERVICES)
    add_url_adapters(config)
