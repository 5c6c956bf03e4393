"""Traversal: ``__webhooks__`` is found under any folder, whatever traverser there is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid.interfaces import ITraverser
from pyramid.registry import Registry
from pyramid.traversal import ResourceTreeTraverser, split_path_info
from zope.interface import Interface, implementer

from pyramid_webhooks.interfaces import (
    MANAGER_NAME,
    IGlobalManager,
    ISubscription,
    ISubscriptionManager,
)
from pyramid_webhooks.registries import connection_to_global, find_registry
from pyramid_webhooks.resources.attempts import Attempts
from pyramid_webhooks.resources.finding import manager_of
from pyramid_webhooks.resources.folder import is_folder
from pyramid_webhooks.resources.manager import SubscriptionManager

#: After everything else that is configured, the application's own traversers included.
LAST = 1_000_000
#: Attribute of a request whose context a route's factory has found already: the traverser's
#: answer, to be repeated for that context.
FOUND = '_webhooks_found'


def wrap_traversers(config: Configurator) -> None:
    """Let the application's traversers find managers, once it is configured."""
    config.action(None, install_traversers, args=(config.registry,), order=LAST)
    config.add_subscriber(_install_again, ApplicationCreated)


def _install_again(event: Any) -> None:
    # Traversers may have been added after the configuration was first committed.
    install_traversers(event.app.registry)


def install_traversers(registry: Registry) -> None:
    """Wrap each registered traverser, and the default one; those wrapped already are left."""
    for registered in list(registry.registeredAdapters()):
        if registered.provided is ITraverser and not registered.name:
            _wrap(registry, registered.required, registered.factory)
    if registry.adapters.registered((Interface,), ITraverser) is None:
        _wrap(registry, (Interface,), ResourceTreeTraverser)


def _wrap(registry: Registry, required: Any, factory: Callable[[Any], Any]) -> None:
    if not isinstance(factory, TraverserFactory):
        registry.registerAdapter(TraverserFactory(factory), required, ITraverser, event=False)


class TraverserFactory:
    """Makes wrapped traversers.

    :param factory: makes the traverser that is wrapped.
    """

    def __init__(self, factory: Callable[[Any], Any]):
        self._factory = factory

    def __call__(self, root: Any) -> WebhookTraverser:
        traverser = self._factory(root)
        if traverser is None:
            traverser = ResourceTreeTraverser(root)
        return WebhookTraverser(root, traverser)


@implementer(ITraverser)
class WebhookTraverser:
    """Asks another traverser for the way to the folder, and goes on from there itself.

    A folder's manager wins over a child of that name.
    """

    def __init__(self, root: Any, traverser: Any):
        self._root = root
        self._traverser = traverser

    def __call__(self, request: Any) -> dict[str, Any]:
        found: dict[str, Any] | None = getattr(request, FOUND, None)
        if found is not None and found['context'] is self._root:
            return found
        if _is_below_manager(self._root):
            return self._from_within(request)
        names = _names(request)
        if MANAGER_NAME in names:
            entered = self._by_cut_path(request, names)
            if entered is not None:
                return entered
        answer = self._traverser(request)
        if answer['view_name'] == MANAGER_NAME and '@@' + MANAGER_NAME not in names:
            entered = _enter(answer, (MANAGER_NAME, *answer['subpath']), ())
            if entered is not None:
                return entered
        return answer

    def _by_cut_path(self, request: Any, names: Sequence[str]) -> dict[str, Any] | None:
        place = names.index(MANAGER_NAME)
        with traversing(request, names[:place]):
            answer = self._traverser(request)
        if answer['view_name']:
            return None
        return _enter(answer, names[place:], answer['subpath'])

    def _from_within(self, request: Any) -> dict[str, Any]:
        names = _names(request)
        context, count = _descend(self._root, names)
        top = self._root
        while getattr(top, '__parent__', None) is not None:
            top = top.__parent__
        return {
            'context': context,
            **_left_over(names[count:], ()),
            'traversed': names[:count],
            'virtual_root': top,
            'virtual_root_path': (),
            'root': top,
        }


def _names(request: Any) -> tuple[str, ...]:
    """The path that a traverser is asked to go, where it is where it normally is."""
    matchdict = request.matchdict
    if matchdict is None:
        try:
            path = request.path_info
        except (KeyError, UnicodeDecodeError):
            return ()
    else:
        path = matchdict.get('traverse', '/')
        if not isinstance(path, str):
            path = '/'.join(path or ())
    return split_path_info(path or '/')


@contextlib.contextmanager
def traversing(request: Any, names: Sequence[str]) -> Iterator[None]:
    """Let traversers that look at ``request`` see this path, wherever they look."""
    matchdict, path_info = request.matchdict, request.environ.get('PATH_INFO')
    path = '/' + '/'.join(names)
    request.path_info = path
    if matchdict is not None:
        request.matchdict = {**matchdict, 'traverse': path}
    try:
        yield
    finally:
        request.matchdict = matchdict
        if path_info is None:
            request.environ.pop('PATH_INFO', None)
        else:
            request.environ['PATH_INFO'] = path_info


def _enter(
    answer: dict[str, Any], names: Sequence[str], subpath: Sequence[str]
) -> dict[str, Any] | None:
    """Go on from the folder in ``answer``; None where it is no folder."""
    manager = manager_at(answer['context'])
    if manager is None:
        return None
    context, count = _descend(manager, names[1:])
    traversed = (*answer['traversed'], *names[: count + 1])
    left = _left_over(names[count + 1 :], subpath)
    return {**answer, 'context': context, **left, 'traversed': traversed}


def _left_over(names: Sequence[str], subpath: Sequence[str]) -> dict[str, Any]:
    if not names:
        return {'view_name': '', 'subpath': tuple(subpath)}
    return {'view_name': names[0].removeprefix('@@'), 'subpath': tuple(names[1:])}


def _descend(context: Any, names: Sequence[str]) -> tuple[Any, int]:
    """Follow ``names`` below a manager as far as they lead; and how many of them did."""
    for count, name in enumerate(names):
        child = child_of(context, name)
        if child is None:
            return context, count
        context = child
    return context, len(names)


def _is_below_manager(resource: Any) -> bool:
    if ISubscriptionManager.providedBy(resource) or ISubscription.providedBy(resource):
        return True
    return isinstance(resource, Attempts)


def manager_at(folder: Any) -> ISubscriptionManager | None:
    """The manager of ``folder``, or one that is empty and not stored; None for no folder."""
    if not is_folder(folder) or _is_below_manager(folder):
        return None
    manager = manager_of(folder)
    if not ISubscriptionManager.providedBy(manager):
        manager = SubscriptionManager()
        manager.__parent__ = folder
    return manager


def child_of(resource: Any, name: str) -> Any:
    """What a manager, a subscription or its attempts have under ``name``, or None."""
    if ISubscriptionManager.providedBy(resource):
        subscription = resource.get(name)
        if subscription is not None:
            return subscription
        return next((each for each in global_subscriptions(resource) if each.id == name), None)
    if ISubscription.providedBy(resource):
        attempts = resource.attempts
        return attempts if name == attempts.__name__ else None
    if isinstance(resource, Attempts):
        return resource.get(name)
    return None


def global_subscriptions(manager: Any) -> list[Any]:
    """The global subscriptions as they are below ``manager``: none but at the root folder."""
    folder = manager.__parent__
    if folder is None or getattr(folder, '__parent__', None) is not None:
        return []
    registry = find_registry(folder)
    found = None if registry is None else registry.queryUtility(IGlobalManager)
    if found is None:
        return []
    connection = connection_to_global(registry, folder)
    return [each.located(manager, connection) for each in found.values()]
