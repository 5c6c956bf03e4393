"""Where a folder keeps its manager."""

from __future__ import annotations

from typing import Any

from persistent import Persistent
from zope.interface import implementer

from pyramid_webhooks.interfaces import MANAGER_NAME, IWebhookFolder
from pyramid_webhooks.registries import find_registry


@implementer(IWebhookFolder)
class AttributeFolder:
    """Keeps the manager as the attribute ``__webhooks__``, so that it goes with the folder."""

    def __init__(self, folder: Any):
        self._folder = folder

    def get_manager(self) -> Any:
        """The folder's manager, or None."""
        return getattr(self._folder, MANAGER_NAME, None)

    def set_manager(self, manager: Any) -> None:
        """Keep the manager.

        :raises TypeError: when the folder would not store it.
        """
        folder = self._folder
        if manager is None:
            vars(folder).pop(MANAGER_NAME, None)
            folder._p_changed = True
            return
        if not is_folder(folder):
            raise TypeError(f'{folder!r} can not hold webhooks: it has no __getitem__.')
        if isinstance(folder, Persistent) and hasattr(folder, '__dict__'):
            setattr(folder, MANAGER_NAME, manager)
            if _would_be_stored(folder):
                return
            delattr(folder, MANAGER_NAME)
        raise TypeError(
            f'{type(folder).__qualname__} objects can not hold webhooks as an attribute: it '
            f'would not be stored. Adapt the class to IWebhookFolder, or derive it from '
            f'persistent.Persistent and keep its items in a BTree attribute.'
        )


def _would_be_stored(folder: Persistent) -> bool:
    """Whether the attribute is part of what is stored; that of a BTree would not be."""
    if type(folder).__getstate__ is Persistent.__getstate__:
        return True
    state = folder.__getstate__()
    parts = state if isinstance(state, tuple) else (state,)
    return any(isinstance(part, dict) and MANAGER_NAME in part for part in parts)


def is_folder(resource: Any) -> bool:
    """Whether ``resource`` may hold a manager."""
    return hasattr(type(resource), '__getitem__')


def webhook_folder(folder: Any) -> IWebhookFolder:
    """The adapter that keeps the manager of ``folder``."""
    return find_adapter(folder) or AttributeFolder(folder)


def find_adapter(folder: Any) -> IWebhookFolder | None:
    """The adapter that the application registered for ``folder``, or None."""
    registry = find_registry(folder)
    return None if registry is None else registry.queryAdapter(folder, IWebhookFolder)
