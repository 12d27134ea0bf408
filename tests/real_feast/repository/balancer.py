"""Sends each connection to the next server, and prints the port of the server: `balancer.py PORT SERVER_PORT...`."""

import asyncio
import itertools
import sys

servers = itertools.cycle(sys.argv[2:])


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def accept(reader, writer):
    server = next(servers)
    print(server, flush=True)
    to_reader, to_writer = await asyncio.open_connection("127.0.0.1", int(server))
    await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))


async def main():
    await asyncio.start_server(accept, "127.0.0.1", int(sys.argv[1]))
    await asyncio.Event().wait()


asyncio.run(main())
