"""Looking up names without waiting longer than a deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

#: Most look-ups under way at once, the abandoned ones included.
MAX_LOOKUPS = 256
#: Most names whose addresses are remembered.
MAX_KNOWN = 1024
#: Most addresses of one name that are tried. A name may have thousands: each would be a
#: connection made on behalf of whoever owns the name.
MAX_ADDRESSES = 16

#: (family, socket address), as :meth:`socket.socket.connect` wants them.
Candidate = tuple[int, tuple[Any, ...]]


class Resolver:
    """Looks up names in threads, as the system's look-up knows no time limit.

    A look-up that takes too long is left to end by itself; those for the same name and port
    share one. Where the system is slow to answer, which the names of others may be the reason
    for, the addresses that a name had a while ago are used.

    :param lookup: a function like :func:`socket.getaddrinfo`
    :param max_age: seconds for which addresses may be used again in such a case
    """

    def __init__(
        self, lookup: Callable[..., list[Any]] = socket.getaddrinfo, max_age: float = 3600
    ) -> None:
        self._lookup = lookup
        self._max_age = max_age
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], _Lookup] = {}
        self._known: OrderedDict[tuple[str, int], tuple[float, list[Candidate]]] = OrderedDict()

    def candidates(self, host: str, port: int, deadline: float) -> list[Candidate]:
        """Return the addresses of a name, at most 16, in the order to try them.

        :param deadline: a time of :func:`time.monotonic`
        :raises socket.gaierror: when there are none
        :raises TimeoutError: when the deadline passes
        """
        key = (host, port)
        now = time.monotonic()
        since, known = self._known.get(key, (now, []))
        if not known or now - since > self._max_age:
            return self._wait_for(key, deadline)
        try:
            return self._wait_for(key, now + (deadline - now) / 2)
        except TimeoutError:
            return known
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN:
                raise
            return known

    def _wait_for(self, key: tuple[str, int], deadline: float) -> list[Candidate]:
        with self._lock:
            lookup = self._running.get(key)
            if lookup is None:
                if len(self._running) >= MAX_LOOKUPS:
                    raise socket.gaierror(
                        socket.EAI_AGAIN, f'{MAX_LOOKUPS} other look-ups are under way'
                    )
                lookup = _Lookup()
                thread = threading.Thread(
                    target=self._run, args=(key, lookup), name=f'look-up of {key[0]}', daemon=True
                )
                thread.start()
                self._running[key] = lookup
        if not lookup.done.wait(max(0, deadline - time.monotonic())):
            raise TimeoutError('the name look-up took too long')
        if lookup.error is not None:
            raise lookup.error
        return lookup.candidates

    def _run(self, key: tuple[str, int], lookup: _Lookup) -> None:
        host, port = key
        try:
            found = self._lookup(host, port, type=socket.SOCK_STREAM)
            candidates = {
                (family, (address[0], port, *address[2:])): None
                for family, _, _, _, address in found
                if family in (socket.AF_INET, socket.AF_INET6)
            }
            lookup.candidates = list(candidates)[:MAX_ADDRESSES]
            if not lookup.candidates:
                raise socket.gaierror(socket.EAI_NONAME, 'the name has no addresses')
        except OSError as error:
            lookup.error = error
        except Exception as error:
            lookup.error = socket.gaierror(socket.EAI_FAIL, f'{type(error).__name__}: {error}')
        finally:
            with self._lock:
                self._running.pop(key, None)
                self._remember(key, lookup)
            lookup.done.set()

    def _remember(self, key: tuple[str, int], lookup: _Lookup) -> None:
        if lookup.error is None:
            self._known[key] = (time.monotonic(), lookup.candidates)
            self._known.move_to_end(key)
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        elif getattr(lookup.error, 'errno', None) != socket.EAI_AGAIN:
            self._known.pop(key, None)


class _Lookup:
    """One look-up under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.candidates: list[Candidate] = []
        self.error: OSError | None = None
