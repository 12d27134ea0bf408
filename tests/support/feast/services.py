"""Forwards TCP connections like Services: `services.py ADDRESS:PORT:TARGET_PORT...`."""

import asyncio
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def serve(address, port, target):
    async def accept(reader, writer):
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", int(target))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))
        to_writer.close()
        writer.close()

    await asyncio.start_server(accept, address, int(port))


async def main():
    # In reverse order: the tests wait for the first one.
    for word in reversed(sys.argv[1:]):
        await serve(*word.split(":"))
    await asyncio.Event().wait()


asyncio.run(main())
