"""Judging the signature of a request, as Standard Webhooks 1.0 says."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pyramid_webhooks.resources.secrets import PUBLIC_PREFIX, read_secret

#: Seconds that the timestamp of a request may be off.
TOLERANCE = 300


class Verdict(NamedTuple):
    """What is to be thought of a signature.

    :ivar signature: ``valid``, ``wrong``, ``unsigned``, or ``unchecked`` for want of a secret.
    :ivar reason: a sentence, or empty.
    """

    signature: str
    reason: str = ''


class Verifier:
    """Judges requests.

    :param secrets: any of them may have signed: ``whsec_`` secrets, ``whpk_`` public keys, or
        ``whsk_`` private keys.
    :raises ValueError: when one is none of these; the sentence never contains it.
    """

    def __init__(self, secrets: Sequence[str]):
        self._keys = [_key(secret) for secret in secrets]

    def judge(self, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Judge one request."""
        given = headers.get('webhook-signature', '').split()
        if not given:
            return Verdict('unsigned', 'It has no webhook-signature.')
        if not self._keys:
            return Verdict('unchecked', 'It takes a secret to verify it.')
        id, stamp = headers.get('webhook-id', ''), headers.get('webhook-timestamp', '')
        if not id:
            return Verdict('wrong', 'It has no webhook-id.')
        if not re.fullmatch('[0-9]{1,12}', stamp):
            return Verdict('wrong', 'Its webhook-timestamp is not a number of seconds.')
        away = int(stamp) - time.time()
        if abs(away) > TOLERANCE:
            return Verdict('wrong', f'Its webhook-timestamp is {away:+.0f} seconds from now.')
        signed = f'{id}.{stamp}.'.encode() + body
        if any(key.verifies(each, signed) for key in self._keys for each in given):
            return Verdict('valid')
        return Verdict('wrong', 'It was signed with another secret, or changed on its way.')


class _Shared:
    """The secret of an HMAC."""

    def __init__(self, secret: str):
        self._key = read_secret(secret)

    def verifies(self, signature: str, signed: bytes) -> bool:
        """Whether it made this signature."""
        return hmac.compare_digest(self._key.sign(signed).encode(), signature.encode())


class _Public:
    """The public key of an ed25519 pair."""

    def __init__(self, key: str):
        try:
            raw = base64.b64decode(key.removeprefix(PUBLIC_PREFIX), validate=True)
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        except (binascii.Error, ValueError):
            raise ValueError(
                f'The public key is not the base64 of 32 bytes after "{PUBLIC_PREFIX}".'
            ) from None

    def verifies(self, signature: str, signed: bytes) -> bool:
        """Whether its private key made this signature."""
        scheme, _, encoded = signature.partition(',')
        if scheme != 'v1a':
            return False
        try:
            self._key.verify(base64.b64decode(encoded), signed)
        except (InvalidSignature, binascii.Error):
            return False
        return True


def _key(secret: str) -> _Shared | _Public:
    if secret.startswith(PUBLIC_PREFIX):
        return _Public(secret)
    public = read_secret(secret).public_key
    return _Shared(secret) if public is None else _Public(public)
