"""The secrets of a stored subscription."""

from __future__ import annotations

import time

from pyramid_webhooks.resources import rotation
from pyramid_webhooks.resources.rotation import RotatingSecrets
from pyramid_webhooks.resources.secrets import new_secret
from pyramid_webhooks.resources.vault import Vault


class Subscription(RotatingSecrets):
    """As much of a subscription as its secrets need."""

    id = 'sub_1'

    def __init__(self, *secrets):
        self._secrets = secrets


def test_no_vault_is_asked_for_public_keys_where_there_can_be_none(monkeypatch):
    asked = []
    monkeypatch.setattr(rotation, 'vault_for', lambda obj: asked.append(obj) or Vault())
    assert Subscription().public_keys == ()
    assert Subscription((new_secret(), None), (new_secret(), time.time() + 60)).public_keys == ()
    assert asked == []
    mixed = Subscription((new_secret(), None), (new_secret('v1a'), None))
    [key] = mixed.public_keys
    assert key.startswith('whpk_') and asked == [mixed]


def test_encrypted_keys_are_found_too(monkeypatch):
    vault = Vault(['k' * 40])
    monkeypatch.setattr(rotation, 'vault_for', lambda obj: vault)
    sealed = vault.seal(new_secret('v1a'), 'sub_1')
    [key] = Subscription((sealed, None)).public_keys
    assert key.startswith('whpk_')


def test_what_has_ended_is_in_force_no_more():
    kept, ending = (new_secret(), None), (new_secret(), time.time() + 60)
    ended = (new_secret('v1a'), time.time() - 60)
    assert Subscription(kept, ending, ended).stored_secrets == (kept, ending)
    assert Subscription(kept, ended).public_keys == ()
    assert Subscription(kept).stored_secrets == (kept,)
