"""Where a resource stands: its parents, its root, and whether it is still there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transaction.interfaces import TransientError

from pyramid_webhooks.registries import parent_of
from pyramid_webhooks.resources.folder import is_folder

#: A lineage that is longer is taken for a cycle.
LINEAGE_LIMIT = 1000


def lineage(resource: Any) -> Iterator[Any]:
    """Yield ``resource`` and its parents, closest first.

    It ends at a parent that was met before; pyramid.location.lineage would go on forever.
    """
    seen: set[int] = set()
    for _ in range(LINEAGE_LIMIT):
        if resource is None or id(resource) in seen:
            return
        seen.add(id(resource))
        yield resource
        try:
            resource = resource.__parent__
        except AttributeError:
            return
        except Exception:
            resource = parent_of(resource)


def is_endless(resource: Any) -> bool:
    """Whether the lineage of ``resource`` goes round in a circle, or is that long.

    Who follows it with ``pyramid.location.lineage``, as a policy does, would never come back.
    """
    try:
        for _ in range(LINEAGE_LIMIT):
            if resource is None:
                return False
            resource = resource.__parent__
    except TransientError:
        raise
    except Exception:
        # It ends where nobody can follow it.
        return False
    return resource is not None


def root_of(resource: Any) -> tuple[str, bytes] | None:
    """(database name, oid) of the root of the tree that ``resource`` is in, if it is stored."""
    *_, root = lineage(resource)
    return _identity(root)


def _identity(root: Any) -> tuple[str, bytes] | None:
    if getattr(root, '_p_oid', None) is None or root._p_jar is None:
        return None
    return root._p_jar.db().database_name, root._p_oid


def is_attached(subscription: Any) -> bool:
    """Whether each ancestor of ``subscription`` still holds its child, as far as can be told.

    Nothing fires for ``del parent[name]``, so that this is the way to know.
    """
    try:
        return _is_held(subscription)
    except TransientError:
        raise
    except Exception:
        return True


def _is_root(top: Any, known: tuple[str, bytes] | None) -> bool:
    """Whether ``top``, which has no parent, is the root of a tree, and not cut off from one.

    :param known: what :func:`root_of` found when all was well.
    """
    found = _identity(top)
    if known is None or found is None or found == known:
        return True
    values = top._p_jar.root().values()
    return any(getattr(value, '_p_oid', None) == found[1] for value in values)


def _is_held(subscription: Any) -> bool:
    folder = getattr(subscription.__parent__, '__parent__', None)
    for _ in range(LINEAGE_LIMIT):
        if folder is None:
            return True
        parent = getattr(folder, '__parent__', None)
        if parent is None:
            return _is_root(folder, getattr(subscription, 'root', None))
        name = getattr(folder, '__name__', None)
        if not name or not is_folder(parent):
            return True
        try:
            held = parent[name]
        except KeyError:
            return False
        oid = getattr(held, '_p_oid', None)
        if oid is not None and oid != getattr(folder, '_p_oid', None):
            return False
        folder = parent
    return True
