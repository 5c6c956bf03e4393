import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_webhooks import new_secret
from pyramid_webhooks.resources.secrets import check_secret, read_secret, scheme_of

PREFIXES = ('whsec_', 'whsk_', 'whpk_', '')


def encoded(prefix, key, padded=True):
    text = base64.b64encode(key).decode()
    return prefix + (text if padded else text.rstrip('='))


@pytest.mark.parametrize(('scheme', 'prefix'), [('v1', 'whsec_'), ('v1a', 'whsk_')])
def test_a_new_secret_is_32_random_bytes_and_never_the_same(scheme, prefix):
    made = {new_secret(scheme) for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b64decode(secret.removeprefix(prefix))) for secret in made} == {32}
    assert {scheme_of(secret) for secret in made} == {scheme}
    assert {read_secret(secret).scheme for secret in made} == {scheme}


def test_there_is_no_other_scheme():
    with pytest.raises(ValueError, match="no signature scheme 'v2'; there is: v1, v1a"):
        new_secret('v2')


@given(st.binary(min_size=24, max_size=64), st.booleans(), st.binary())
def test_a_symmetric_key_of_24_to_64_bytes_signs_padded_or_not(key, padded, text):
    expected = base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
    assert read_secret(encoded('whsec_', key, padded)).sign(text) == f'v1,{expected}'


@given(st.binary(min_size=32, max_size=32), st.booleans(), st.booleans(), st.binary())
def test_a_private_key_signs_with_or_without_its_public_key_behind_it(seed, both, padded, text):
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    private = read_secret(
        encoded('whsk_', seed + public.public_bytes_raw() if both else seed, padded)
    )
    version, _, signature = private.sign(text).partition(',')
    assert version == 'v1a'
    public.verify(base64.b64decode(signature), text)
    assert private.public_key == encoded('whpk_', public.public_bytes_raw())
    shown = base64.b64decode(private.public_key.removeprefix('whpk_'))
    Ed25519PublicKey.from_public_bytes(shown).verify(base64.b64decode(signature), text)


NEITHER = 'begins neither with "whsec_" nor "whsk_"'


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', NEITHER),
        ('c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', NEITHER),
        ('WHSEC_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', NEITHER),
        ('whsec_', 'has 0 bytes; 24 to 64'),
        ('whsec_c2VjcmV0', 'has 6 bytes; 24 to 64'),
        ('whsec_' + 'QUJD' * 22, 'has 66 bytes; 24 to 64'),
        ('whsec_not base64 at all, not at all', 'is not base64'),
        ('whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0é', 'is not base64'),
        ('whsec_QUJDQ', 'is not base64'),
        ('whsk_', 'has 0 bytes; an ed25519 key has 32, or 64'),
        ('whsk_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'has 24 bytes; an ed25519 key has 32, or 64'),
        (encoded('whsk_', b'k' * 33), 'has 33 bytes'),
        (encoded('whsk_', b'k' * 64), 'last 32 bytes of the private key are not its public key'),
        (encoded('whpk_', b'k' * 32), 'begins a public key, which signs nothing'),
        (None, 'is a text, not a NoneType'),
        (b'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'is a text, not a bytes'),
    ],
)
def test_what_is_no_secret_is_refused_without_showing_it(text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        check_secret(text)
    if text:
        hidden = text[6:] if isinstance(text, str) else text.decode()[6:]
        assert not hidden or hidden not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.sampled_from(PREFIXES), st.text())
@example('whsec_', '\x00' * 40)
@example('whsk_', '=' * 40)
def test_any_other_text_is_a_value_error_and_nothing_else(prefix, rest):
    text = prefix + rest
    try:
        key = read_secret(text)
    except ValueError as error:
        assert len(rest) < 12 or rest not in str(error)
    else:
        assert text.startswith(('whsec_', 'whsk_')) and key.sign(b'').startswith('v1')


@given(st.sampled_from(PREFIXES), st.binary(max_size=100))
def test_only_keys_of_a_right_length_are_taken(prefix, key):
    try:
        read_secret(encoded(prefix, key))
    except ValueError:
        taken = False
    else:
        taken = True
    assert taken is (
        prefix == 'whsec_' and 24 <= len(key) <= 64 or prefix == 'whsk_' and len(key) == 32
    )


@pytest.mark.parametrize('scheme', ['v1', 'v1a'])
def test_a_key_is_in_no_repr(scheme):
    secret = new_secret(scheme)
    key = read_secret(secret)
    raw = base64.b64decode(secret.partition('_')[2])
    assert secret[6:] not in repr(key) and repr(raw) not in repr(key)
    assert not hasattr(key, '__dict__')
