"""A receiver that takes its time, and counts how many requests it has at once.

``python -m benchmarks.slow_receiver FOLDER SECONDS``: prints its port; and for each line that it
reads, how many requests came, and how many were open at once at most.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from pathlib import Path

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
_LENGTH = re.compile(rb'\r\ncontent-length: (\d+)', re.IGNORECASE)


class SlowReceiver:
    """Answers each request after some seconds.

    :ivar count: requests so far.
    :ivar most: requests that were open at once at most.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._open = 0
        self.count = 0
        self.most = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = await reader.readuntil(b'\r\n\r\n')
                length = _LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
                self.count += 1
                self._open += 1
                self.most = max(self.most, self._open)
                await asyncio.sleep(self._seconds)
                self._open -= 1
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


async def main(folder: str, seconds: str) -> None:
    """Listen on a free port until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(folder) / 'server.pem', Path(folder) / 'server.key')
    receiver = SlowReceiver(float(seconds))
    server = await asyncio.start_server(
        receiver.serve, '127.0.0.1', 0, ssl=context, backlog=2048, ssl_handshake_timeout=30
    )
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        read = asyncio.get_running_loop().run_in_executor
        while await read(None, sys.stdin.readline):
            print(json.dumps({'requests': receiver.count, 'most': receiver.most}), flush=True)


if __name__ == '__main__':
    asyncio.run(main(*sys.argv[1:]))
