"""Hostile receivers, all modes at once, in a process of their own: ``python -m … FOLDER``.

What they have in memory is theirs, and their floods don't take the turn of what is tested.
"""

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from pyramid_webhooks.testing.certificates import make_certificates
from tests.chaos.hostile_modes import MODES
from tests.delivery.hostile_server import HostileServer, ServerTls

ROOT = Path(__file__).parents[2]
HOSTS = {'yes': ('127.0.0.1',), 'foreign': ('127.0.0.1',), 'other': ('127.0.0.9',)}


class HostileReceivers:
    """The receivers. Use it as a context manager.

    :ivar urls: of each mode
    :ivar ca_bundle: PEM file of the authorities that a client must trust
    """

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix='hostile_receivers_')
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.chaos.hostile_receivers', self._folder.name],
            cwd=ROOT,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        line = self._process.stdout.readline()
        if not line:
            self.__exit__()
            raise RuntimeError('The hostile receivers did not start.')
        self.urls = json.loads(line)
        self.ca_bundle = str(Path(self._folder.name) / 'trusted.pem')
        return self

    def __exit__(self, *exc_info):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)
        self._process.stdin.close()
        self._process.stdout.close()
        self._folder.cleanup()


def contexts(folder):
    """Make certificates, and return the server's context of each kind."""
    made = {}
    trusted = b''
    for kind, hosts in HOSTS.items():
        place = folder / kind
        place.mkdir()
        make_certificates(place, hosts)
        made[kind] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made[kind].load_cert_chain(place / 'server.pem', place / 'server.key')
        if kind != 'foreign':
            trusted += (place / 'ca.pem').read_bytes()
    (folder / 'trusted.pem').write_bytes(trusted)
    return made


def with_tls(mode, made):
    """The script of a mode, on the connection as it is accepted."""
    if mode.tls == 'own':
        return lambda connection, server: mode.script(
            connection, server, lambda plain: ServerTls(plain, made['yes'])
        )

    def script(connection, server):
        with made[mode.tls].wrap_socket(connection, server_side=True) as secure:
            mode.script(secure, server)

    return script if mode.tls else mode.script


def main(folder):
    made = contexts(Path(folder))
    with contextlib.ExitStack() as stack:
        urls = {}
        for name, mode in MODES.items():
            server = stack.enter_context(HostileServer(with_tls(mode, made)))
            urls[name] = server.tls_url if mode.tls else server.url
        print(json.dumps(urls), flush=True)
        # Until the other side has gone.
        sys.stdin.read()
        os._exit(0)


if __name__ == '__main__':
    main(sys.argv[1])
