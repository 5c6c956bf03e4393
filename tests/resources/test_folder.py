"""Where a folder keeps its manager."""

from __future__ import annotations

import pytest
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from persistent.mapping import PersistentMapping

from pyramid_webhooks.interfaces import MANAGER_NAME
from pyramid_webhooks.resources.folder import AttributeFolder
from pyramid_webhooks.resources.manager import SubscriptionManager


class Shelf(OOBTree):
    """Would drop attributes when it is stored."""


class Mapped(PersistentMapping):
    """Keeps attributes."""


class Tuple(Persistent):
    """Stores a state of its own making, attributes included."""

    def __getitem__(self, name):
        raise KeyError(name)

    def __getstate__(self):
        return (1, dict(self.__dict__))

    def __setstate__(self, state):
        self.__dict__.update(state[1])


class Leaf(Persistent):
    """No folder."""


@pytest.mark.parametrize('cls', [Mapped, Tuple])
def test_a_folder_that_stores_its_attributes_holds_a_manager(cls):
    folder, manager = cls(), SubscriptionManager()
    AttributeFolder(folder).set_manager(manager)
    assert AttributeFolder(folder).get_manager() is manager
    AttributeFolder(folder).set_manager(None)
    assert AttributeFolder(folder).get_manager() is None


@pytest.mark.parametrize('cls', [Shelf, Leaf, dict])
def test_what_would_lose_its_manager_refuses_it(cls):
    folder = cls()
    with pytest.raises(TypeError, match='can not hold webhooks'):
        AttributeFolder(folder).set_manager(SubscriptionManager())
    assert not hasattr(folder, MANAGER_NAME)
