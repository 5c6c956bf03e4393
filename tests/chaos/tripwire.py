"""Seeing every connection and every look-up of this process, whoever makes it."""

import sys

_watching = set()
_installed = []


class Tripwire:
    """Notes what happens while it is used as a context manager.

    :ivar connected: the addresses that sockets were connected to, or would have been
    :ivar looked_up: the names that the system was asked for
    """

    def __init__(self):
        self.connected = []
        self.looked_up = []

    def __enter__(self):
        # A hook stays for as long as the process; there is one for all.
        if not _installed:
            sys.addaudithook(_hear)
            _installed.append(_hear)
        _watching.add(self)
        return self

    def __exit__(self, *exc_info):
        _watching.discard(self)


def _hear(event, arguments):
    if event == 'socket.connect':
        for each in _watching:
            each.connected.append(arguments[1])
    elif event == 'socket.getaddrinfo':
        for each in _watching:
            each.looked_up.append(arguments[0])
