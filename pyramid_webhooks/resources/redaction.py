"""Keeping the values of secret headers out of what is stored, logged and shown."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

#: Shown instead of a secret value.
REDACTED = '…'
#: ``Authorization`` and ``X-Auth`` are secret, ``X-Author`` is not.
_SECRET_PART = re.compile(
    'auth(?!or(?!i[sz]))|cookie|credential|key|passw|secret|session|token', re.IGNORECASE
)
#: These only say how one may authenticate.
_CHALLENGES = frozenset(('www-authenticate', 'proxy-authenticate'))
#: A value with fewer characters than this is no secret that could be told from other text.
_FEWEST = 6
#: Header names of so many characters together are remembered.
_COMMON_NAMES = 1000
_CREDENTIALS = re.compile(r'^([^/?#]*//)[^/?#]*@')


@functools.lru_cache(256)
def is_secret(name: str) -> bool:
    """Whether the value of the header ``name`` is not to be shown."""
    return name.lower() not in _CHALLENGES and _SECRET_PART.search(name) is not None


def _find_secret(names: tuple[str, ...], others: frozenset[str]) -> frozenset[str]:
    """Those of ``names`` whose values are not to be shown; ``others`` are in lower case."""
    return frozenset(name for name in names if is_secret(name) or name.lower() in others)


#: Nearly all requests have headers of the same names, and nearly all answers.
_secret_among = functools.lru_cache(128)(_find_secret)


def shown_headers(headers: Mapping[str, str] | Any) -> dict[str, str]:
    """The headers as they may be shown; several of one name are joined by commas."""
    shown: dict[str, str] = {}
    pairs: Iterable[tuple[str, str]] = headers.items()
    for name, value in pairs:
        if is_secret(name):
            shown[name] = REDACTED
        elif name in shown:
            shown[name] += ', ' + value
        else:
            shown[name] = value
    return shown


def restored_headers(headers: Any, present: Mapping[str, str]) -> Any:
    """The headers with the present values where a secret one comes back as it was shown.

    :param headers: what somebody wants to change the headers to; anything but a mapping is
        returned as it is.
    """
    if not isinstance(headers, Mapping):
        return headers
    known = {name.lower(): value for name, value in present.items()}
    return {
        name: known.get(name.lower(), value) if value == REDACTED and is_secret(name) else value
        for name, value in headers.items()
    }


def shown_url(url: str) -> str:
    """The URL without a user name and password, should it have any."""
    return _CREDENTIALS.sub(rf'\1{REDACTED}@', url) if '@' in url else url


class Veil:
    """Hides the secret header values of one request, wherever they turn up.

    Receivers may answer with what they were sent, and errors may quote it.

    :param headers: names and values of the request.
    :param names: further headers whose values are secret, whatever they are called.
    """

    def __init__(self, headers: Collection[tuple[str, str]], names: Iterable[str] = ()):
        self._names = frozenset(map(str.lower, names)) if names else frozenset()
        self._pattern = ''
        self._values: list[str] = []
        secret = self._secret_of(headers)
        values = [value for name, value in headers if name in secret] if secret else []
        if values:
            # "Bearer 2b6f…" may come back without its first word.
            values += [value.rpartition(' ')[2] for value in values]
            found = {value for value in values if len(value) >= _FEWEST}
            self._values = sorted(found, key=len, reverse=True)
            self._pattern = '|'.join(map(re.escape, self._values))

    def _secret_of(self, pairs: Collection[tuple[str, str]]) -> frozenset[str]:
        names = tuple([name for name, _ in pairs])
        find = _secret_among if sum(map(len, names)) <= _COMMON_NAMES else _find_secret
        return find(names, self._names)

    def has_to_hide(self, pairs: Collection[tuple[str, str]]) -> bool:
        """Whether anything in an answer with these headers may be changed by this veil."""
        return bool(self._pattern or self._secret_of(pairs))

    def headers(self, pairs: Collection[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """These headers as they may be stored."""
        secret = self._secret_of(pairs)
        if not (secret or self._pattern):
            return tuple(pairs)
        return tuple(
            [(name, REDACTED if name in secret else self.text(value)) for name, value in pairs]
        )

    def text(self, text: str) -> str:
        """The text without the secret values."""
        return re.sub(self._pattern, REDACTED, text) if self._pattern else text

    def content(self, content: bytes, truncated: bool = False) -> bytes:
        """The bytes without the secret values.

        :param truncated: the end is missing, and may be in the middle of such a value.
        """
        if not self._pattern:
            return content
        content = re.sub(self._pattern.encode('latin-1', 'ignore'), REDACTED.encode(), content)
        if truncated:
            for value in self._values:
                content = _without_beginning(content, value.encode('latin-1', 'ignore'))
        return content


def _without_beginning(content: bytes, value: bytes) -> bytes:
    """The content without the beginning of ``value`` that it ends with, if it is a telling one."""
    for length in range(len(value) - 1, _FEWEST - 1, -1):
        if content.endswith(value[:length]):
            return content[:-length] + REDACTED.encode()
    return content
