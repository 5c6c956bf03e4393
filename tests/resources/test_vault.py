import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks import UnreadableSecret, new_secret
from pyramid_webhooks.interfaces import ISecretVault
from pyramid_webhooks.resources.vault import Vault, key_id_of, may_be_private

OLD, NEW = (secrets.token_urlsafe(32) for _ in range(2))


class Stored:
    """What a vault needs to know of a subscription."""

    id = 'sub_1'

    def __init__(self, *stored_secrets):
        self.stored_secrets = stored_secrets


def test_it_is_what_the_interface_says():
    assert ISecretVault.providedBy(Vault())


@given(st.text(min_size=1), st.text())
def test_what_is_sealed_is_opened_for_the_same_subscription_only(text, place):
    vault = Vault([NEW])
    sealed = vault.seal(text, place)
    assert isinstance(sealed, bytes) and len(text) < 4 or text.encode() not in sealed
    assert vault.open(sealed, place) == text
    with pytest.raises(UnreadableSecret, match='encrypted for another one'):
        vault.open(sealed, place + 'x')


def test_the_same_secret_is_sealed_differently_each_time():
    vault = Vault([NEW])
    assert len({vault.seal('whsec_', 'sub_1') for _ in range(100)}) == 100


def test_without_a_key_secrets_stay_as_they_are():
    assert Vault().seal('whsec_x', 'sub_1') == 'whsec_x' == Vault().open('whsec_x', 'sub_1')
    assert Vault([NEW]).open('whsec_x', 'sub_1') == 'whsec_x'


def test_the_first_key_seals_and_all_of_them_open():
    sealed = Vault([OLD]).seal('whsec_x', 'sub_1')
    both = Vault([NEW, OLD])
    assert both.open(sealed, 'sub_1') == 'whsec_x'
    again = both.seal_again(sealed, 'sub_1')
    assert Vault([NEW]).open(again, 'sub_1') == 'whsec_x'
    assert both.seal_again(again, 'sub_1') is again
    assert key_id_of(again) == both.key_id == Vault([NEW]).key_id != key_id_of(sealed)
    assert both.knows(key_id_of(sealed)) and not Vault([NEW]).knows(key_id_of(sealed))


@pytest.mark.parametrize('keys', [(), (NEW,)])
def test_a_key_that_is_missing_is_a_sentence_with_the_subscription_and_the_remedy(keys):
    sealed = Vault([OLD]).seal('whsec_x', 'sub_1')
    with pytest.raises(UnreadableSecret, match='sub_1.*webhooks.secrets_key.*Put that key back'):
        Vault(keys).open(sealed, 'sub_1')


@given(st.data())
def test_what_was_changed_in_storage_is_not_taken_for_a_secret(data):
    vault = Vault([NEW])
    sealed = bytearray(vault.seal('whsec_' + 'QUJD' * 12, 'sub_1'))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableSecret):
        vault.open(bytes(sealed), 'sub_1')
    with pytest.raises(UnreadableSecret):
        vault.open(bytes(sealed[: data.draw(st.integers(0, len(sealed) - 1))]), 'sub_1')


def test_a_secret_is_decrypted_and_read_once_however_often_it_signs():
    vault = Vault([NEW])
    subscription = Stored((vault.seal(new_secret('v1a'), 'sub_1'), None), (new_secret(), 5.0))
    (first, no_end), (second, end) = vault.keys_of(subscription)
    assert (first.scheme, no_end, second.scheme, end) == ('v1a', None, 'v1', 5.0)
    again = vault.keys_of(subscription)
    assert again[0][0] is first and again[1][0] is second


def test_neither_keys_nor_secrets_are_in_a_repr():
    vault = Vault([NEW])
    secret = new_secret()
    keys = vault.keys_of(Stored((vault.seal(secret, 'sub_1'), None)))
    for shown in repr(vault), repr(vars(vault)), repr(keys), repr(vault._key_of):
        assert NEW not in shown and secret[6:] not in shown


@pytest.mark.parametrize('stored', ['whsk_x', b'\x01sealed'])
def test_of_what_may_be_a_private_key_only_the_vault_knows(stored):
    assert may_be_private(stored)
    assert not may_be_private('whsec_x')
