import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_webhooks.resources.secrets import check_secret, decode_secret, new_secret


def test_a_new_secret_is_32_random_bytes_and_never_the_same():
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(decode_secret(secret)) for secret in secrets} == {32}


@given(st.binary(min_size=24, max_size=64), st.booleans())
def test_a_secret_is_decoded_with_and_without_padding(key, padded):
    encoded = base64.b64encode(key).decode()
    assert decode_secret('whsec_' + (encoded if padded else encoded.rstrip('='))) == key


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'does not begin with "whsec_"'),
        ('c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'does not begin with "whsec_"'),
        ('whsk_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'does not begin with "whsec_"'),
        ('whsec_', 'has 0 bytes; 24 to 64'),
        ('whsec_c2VjcmV0', 'has 6 bytes; 24 to 64'),
        ('whsec_' + 'QUJD' * 22, 'has 66 bytes; 24 to 64'),
        ('whsec_not base64 at all, not at all', 'is not base64'),
        ('whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0é', 'is not base64'),
        ('whsec_QUJDQ', 'is not base64'),
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
