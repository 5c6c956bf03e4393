"""Looking up names without waiting longer than a deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

#: Most look-ups under way at once, the abandoned ones included.
MAX_LOOKUPS = 256
#: Most addresses of one name that are tried. A name may have thousands: each would be a
#: connection made on behalf of whoever owns the name.
MAX_ADDRESSES = 16

#: (family, socket address), as :meth:`socket.socket.connect` wants them.
Candidate = tuple[int, tuple[Any, ...]]


class Resolver:
    """Looks up names in threads, as the system's look-up knows no time limit.

    A look-up that takes too long is left to end by itself; those for the same name and port
    share one.

    :param lookup: a function like :func:`socket.getaddrinfo`
    """

    def __init__(self, lookup: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], _Lookup] = {}

    def candidates(self, host: str, port: int, deadline: float) -> list[Candidate]:
        """Return the addresses of a name, at most 16, in the order to try them.

        :param deadline: a time of :func:`time.monotonic`
        :raises socket.gaierror: when there are none
        :raises TimeoutError: when the deadline passes
        """
        key = (host, port)
        with self._lock:
            lookup = self._running.get(key)
            if lookup is None:
                if len(self._running) >= MAX_LOOKUPS:
                    raise socket.gaierror(
                        socket.EAI_AGAIN, f'{MAX_LOOKUPS} other look-ups are under way'
                    )
                lookup = _Lookup()
                thread = threading.Thread(
                    target=self._run, args=(key, lookup), name=f'look-up of {host}', daemon=True
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
            lookup.done.set()


class _Lookup:
    """One look-up under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.candidates: list[Candidate] = []
        self.error: OSError | None = None
