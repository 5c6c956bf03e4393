"""Hiding secret header values in what is recorded of an attempt."""

from __future__ import annotations

import dataclasses

from pyramid_webhooks.delivery.exchange import Outcome
from pyramid_webhooks.resources.redaction import Veil


def veiled(outcome: Outcome, veil: Veil) -> Outcome:
    """The outcome as it may be recorded, without the values that ``veil`` hides."""
    if not veil.has_to_hide(outcome.headers):
        return outcome
    return dataclasses.replace(
        outcome,
        reason=veil.text(outcome.reason),
        headers=veil.headers(outcome.headers),
        content=veil.content(outcome.content, outcome.truncated),
        message=veil.text(outcome.message),
        exceptions=tuple(map(veil.text, outcome.exceptions)),
    )
