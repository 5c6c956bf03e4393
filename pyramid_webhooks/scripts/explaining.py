"""``pwebhooks explain``: who would get an event."""

from __future__ import annotations

import argparse

from pyramid_webhooks.emit.explaining import explain_event
from pyramid_webhooks.interfaces import UnknownEventType
from pyramid_webhooks.resources.presenting import subscription_json
from pyramid_webhooks.resources.urls import path_of
from pyramid_webhooks.scripts.application import open_application
from pyramid_webhooks.scripts.naming import all_global, resource_at
from pyramid_webhooks.scripts.outcome import DONE, NOTHING, UNUSABLE, CommandError
from pyramid_webhooks.scripts.tables import write_json, write_table


def explain(options: argparse.Namespace) -> int:
    """Say for each subscription in the lineage of a resource whether it would get an event."""
    with open_application(options.config) as application:
        resource = resource_at(application, options.path)
        try:
            explained = explain_event(resource, options.event, application.request)
        except UnknownEventType as error:
            raise CommandError(str(error), UNUSABLE) from None
        except ValueError as error:
            raise CommandError(str(error)) from None
        # What the configuration defines is at the root folder, for those who look for it.
        at_root = {each.id: each for each in all_global(application)}
        explained = [
            (at_root[each.id] if each.kind == 'global' else each, *verdict)
            for each, *verdict in explained
        ]
        if options.json:
            write_json(
                {
                    'explained': [
                        {
                            'subscription': subscription_json(subscription, application.request),
                            'would_get_it': would_get_it,
                            'reason': reason,
                        }
                        for subscription, would_get_it, reason in explained
                    ]
                }
            )
        else:
            rows = [
                (would_get_it, path_of(subscription), subscription.owner, reason)
                for subscription, would_get_it, reason in explained
            ]
            write_table(('gets it', 'subscription', 'owner', 'reason'), rows)
    return DONE if any(would_get_it for _, would_get_it, _ in explained) else NOTHING
