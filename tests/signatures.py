"""Judging signatures as receivers do, with the public packages of others."""

import base64

import standardwebhooks
import svix.webhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)


def verifies(secret, request):
    """Whether a received request verifies with a ``whsec_`` secret or a ``whpk_`` public key.

    A ``whsk_`` private key stands for its public key.
    """
    if secret.startswith('whsec_'):
        return _verifies_symmetric(secret, request)
    key = base64.b64decode(secret.partition('_')[2])
    if secret.startswith('whsk_'):
        public = Ed25519PrivateKey.from_private_bytes(key).public_key()
    else:
        public = Ed25519PublicKey.from_public_bytes(key)
    headers = request.headers
    signed = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.'.encode() + request.body
    for signature in headers['webhook-signature'].split(' '):
        version, _, encoded = signature.partition(',')
        if version == 'v1a':
            try:
                public.verify(base64.b64decode(encoded), signed)
            except InvalidSignature:
                continue
            return True
    return False


def _verifies_symmetric(secret, request):
    headers = {name.lower(): value for name, value in request.headers.items()}
    verdicts = set()
    for verify, error in (
        (standardwebhooks.Webhook(secret).verify, standardwebhooks.WebhookVerificationError),
        (svix.webhooks.Webhook(secret).verify, svix.webhooks.WebhookVerificationError),
    ):
        try:
            verify(request.body, headers)
        except error:
            verdicts.add(False)
        else:
            verdicts.add(True)
    (verdict,) = verdicts
    return verdict


def versions(request):
    """The versions of the signatures of a request, in their order."""
    signatures = request.headers['webhook-signature'].split(' ')
    return [signature.partition(',')[0] for signature in signatures]
