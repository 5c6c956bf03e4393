"""What nginx can do on this machine, as a measure for the receiver of the benchmarks."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.receiver import ReceiverProcess
from pyramid_webhooks.testing.certificates import make_certificates

_LIMIT = 10.0
#: With Server, Date, Content-Type, Content-Length and Connection the answer has five headers.
_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 10000000;
    keepalive_timeout 600;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        default_type text/plain;
        location / {{ return 200 'ok'; }}
    }}
}}
"""


@contextlib.contextmanager
def running_nginx() -> Iterator[ReceiverProcess | None]:
    """Run nginx with one worker, or yield None where it is not installed."""
    binary = shutil.which('nginx')
    if binary is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix='benchmarks_nginx_') as name:
        folder = Path(name)
        make_certificates(folder)
        port = _free_port()
        configuration = folder / 'nginx.conf'
        configuration.write_text(_CONFIGURATION.format(folder=folder, port=port))
        command = [binary, '-p', name, '-c', str(configuration), '-e', str(folder / 'error.log')]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            try:
                _wait_until_it_listens(process, port)
                yield ReceiverProcess(port, str(folder / 'ca.pem'))
            finally:
                process.terminate()


def _free_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(('127.0.0.1', port)).close()
            return
        time.sleep(0.02)
    raise RuntimeError(f'nginx does not listen on port {port} of 127.0.0.1; see what it printed.')
