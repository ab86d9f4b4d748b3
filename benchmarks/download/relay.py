"""A relay that simulates a slow network: ``python -m benchmarks.download.relay HOST PORT DELAY RATE``.

Each connection has its own download rate, like a server with a limit per connection. Data arrives ``DELAY`` seconds
later in both directions, and a new connection costs a round trip. Buffers are small, so that neither side runs ahead.
There is no loss, no slow start and no shared queue. The relay prints the port that it listens on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

BLOCK = 16 << 10
BUFFER = 64 << 10
"""Buffer size of each socket in bytes."""
UNLIMITED = 1e12


class Direction:
    """One direction of a connection.

    :param delay: seconds from one end to the other.
    :param rate: bytes per second.
    """

    def __init__(self, delay: float, rate: float) -> None:
        self._delay = delay
        self._rate = rate
        self._under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(int(2 * delay * min(rate, 1e8) / BLOCK) + 4)

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Forward all data, then the end of the stream."""
        await asyncio.gather(self._take(source), self._give(sink))

    async def _take(self, source: asyncio.StreamReader) -> None:
        now = asyncio.get_running_loop().time
        free = now()
        block = b"?"
        while block:
            block = await _read(source)
            free = max(free, now()) + len(block) / self._rate
            await self._under_way.put((free + self._delay, block))

    async def _give(self, sink: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        due, block = await self._under_way.get()
        with contextlib.suppress(OSError):
            while block:
                await asyncio.sleep(due - now())
                sink.write(block)
                await sink.drain()
                due, block = await self._under_way.get()
        while block:  # the receiver has closed
            due, block = await self._under_way.get()
        with contextlib.suppress(OSError):
            sink.write_eof()


async def _read(source: asyncio.StreamReader) -> bytes:
    try:
        return await source.read(BLOCK)
    except OSError:
        return b""


async def _connect(address: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = socket.socket()
    _shrink(connection)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, address)
    return await asyncio.open_connection(sock=connection, limit=BLOCK)


def _shrink(connection: socket.socket) -> None:
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        connection.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def relay(address: tuple[str, int], delay: float, rate: float) -> None:
    """Serve until stopped."""
    async def join(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        to_client.transport.set_write_buffer_limits(0)
        await asyncio.sleep(2 * delay)
        server, to_server = await _connect(address)
        try:
            await asyncio.gather(Direction(delay, UNLIMITED).carry(client, to_server),
                                 Direction(delay, rate).carry(server, to_client))
        finally:
            to_server.close()
            to_client.close()

    listening = socket.create_server(("127.0.0.1", 0))
    _shrink(listening)  # accepted sockets inherit the sizes
    server = await asyncio.start_server(join, sock=listening, limit=BLOCK)
    print(listening.getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(relay((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]), float(sys.argv[4])))
