"""Checking what a directive is given, before anything is registered."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from zope.interface.interface import InterfaceClass


class Declaration:
    """What one directive declares; its errors begin with that, and name the argument.

    :param what: the beginning of the sentence, such as ``The event 'employee.added'``.
    """

    def __init__(self, config: Configurator, what: str):
        self._config = config
        self._what = what

    def hide_source(self) -> None:
        """Keep the line of source code out of errors: what is written there may be secret.

        Pyramid quotes it, with the file and the number of the line, which stay.
        """
        info = self._config.action_info
        if isinstance(getattr(info, 'src', None), str):
            info.src = '(not shown, since there may be a secret in it)'

    def refuse(self, field: str, reason: str) -> NoReturn:
        """Say that the argument ``field`` can't be used.

        :raises pyramid.exceptions.ConfigurationError: always.
        """
        raise ConfigurationError(f'{self._what}: {field}: {reason}') from None

    def resolve(self, field: str, value: Any) -> Any:
        """What a dotted name stands for; anything else is returned as it is."""
        try:
            return self._config.maybe_dotted(value)
        except (ImportError, AttributeError, ValueError, IndexError) as error:
            self.refuse(field, f'{value!r} can not be imported: {error}.')

    def text(self, field: str, value: Any, *, empty: bool = False) -> None:
        """Refuse what is not a text."""
        if not isinstance(value, str):
            self.refuse(field, f'{value!r} is not a text.')
        if not value and not empty:
            self.refuse(field, 'must not be empty.')

    def type_(self, field: str, value: Any) -> Any:
        """A class, an interface, or None."""
        value = self.resolve(field, value)
        if value is not None and not isinstance(value, (type, InterfaceClass)):
            self.refuse(field, f'{value!r} is neither a class nor an interface.')
        return value

    def interface(self, field: str, value: Any) -> Any:
        """An interface, or None."""
        value = self.resolve(field, value)
        if value is not None and not isinstance(value, InterfaceClass):
            self.refuse(field, f'{value!r} is not an interface.')
        return value

    def callable_(self, field: str, value: Any) -> Any:
        """Something that can be called."""
        value = self.resolve(field, value)
        if not callable(value):
            self.refuse(field, f'{value!r} can not be called.')
        return value

    def json(self, field: str, value: Any) -> None:
        """Refuse what JSON can't represent."""
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            self.refuse(field, f'it has no representation as JSON: {error}.')
