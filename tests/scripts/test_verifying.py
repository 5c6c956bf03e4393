"""Judging signatures as receivers do."""

import time

import pytest

from pyramid_webhooks import new_secret
from pyramid_webhooks.delivery.signing import signature_headers
from pyramid_webhooks.resources.secrets import read_secret
from pyramid_webhooks.scripts.verifying import TOLERANCE, Verifier

BODY = b'{"a": 1}'


def signed(*secrets, away=0):
    stamp = int(time.time()) + away
    return signature_headers('msg_1', stamp, BODY, map(read_secret, secrets))


@pytest.mark.parametrize('scheme', ['v1', 'v1a'])
def test_a_signature_is_valid_with_the_secret_that_made_it_and_no_other(scheme):
    secret, other = new_secret(scheme), new_secret(scheme)
    assert Verifier([secret]).judge(signed(secret), BODY) == ('valid', '')
    assert Verifier([other, secret]).judge(signed(secret), BODY).signature == 'valid'
    assert Verifier([secret]).judge(signed(other, secret), BODY).signature == 'valid'
    assert Verifier([other]).judge(signed(secret), BODY).signature == 'wrong'
    assert Verifier([secret]).judge(signed(secret), BODY + b' ').signature == 'wrong'


def test_a_public_key_is_enough():
    secret = new_secret('v1a')
    public = read_secret(secret).public_key
    assert Verifier([public]).judge(signed(secret), BODY).signature == 'valid'
    assert Verifier([public]).judge(signed(new_secret()), BODY).signature == 'wrong'


@pytest.mark.parametrize(
    'away, verdict', [(-TOLERANCE - 5, 'wrong'), (TOLERANCE + 5, 'wrong'), (-60, 'valid')]
)
def test_a_timestamp_that_is_far_off_is_wrong(away, verdict):
    secret = new_secret()
    found = Verifier([secret]).judge(signed(secret, away=away), BODY)
    assert found.signature == verdict
    assert ('seconds from now' in found.reason) is (verdict == 'wrong')


@pytest.mark.parametrize(
    'change, verdict',
    [
        ({'webhook-signature': ''}, 'unsigned'),
        ({'webhook-signature': 'v1a,!!'}, 'wrong'),
        ({'webhook-signature': 'v1,ü'}, 'wrong'),
        ({'webhook-id': ''}, 'wrong'),
        ({'webhook-timestamp': 'noon'}, 'wrong'),
        ({'webhook-timestamp': ''}, 'wrong'),
    ],
)
def test_headers_that_are_none_are_no_error(change, verdict):
    for secret in (new_secret(), new_secret('v1a')):
        found = Verifier([secret]).judge({**signed(secret), **change}, BODY)
        assert found.signature == verdict and found.reason


def test_without_a_secret_nothing_is_judged():
    assert Verifier([]).judge(signed(new_secret()), BODY).signature == 'unchecked'
    assert Verifier([]).judge({}, BODY).signature == 'unsigned'
