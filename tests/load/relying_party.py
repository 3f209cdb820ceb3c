"""A relying party, as a process: it checks nothing, and counts.

Usage: relying_party.py MODE PORT, with a mode of
  ok            answers 200 at once
  slow          answers 200 after a second
  interim       answers `103` again and again, as fast as it is read, and never a final status
`GET /figures` answers with what was counted, as JSON.
"""

import asyncio
import json
import sys

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
INTERIM = b"HTTP/1.1 103 E\r\n\r\n" * 1024


class Figures:
    requests = 0
    answering = 0
    most_at_once = 0


async def request(reader):
    """The request's first line, when all of it is there; None if the peer has closed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            await reader.readexactly(int(value))
    return first


async def answer(mode, writer):
    if mode == "slow":
        await asyncio.sleep(1)
    if mode == "interim":
        while True:
            writer.write(INTERIM)
            await writer.drain()
    writer.write(OK)
    await writer.drain()


async def serve(mode, reader, writer):
    try:
        while (first := await request(reader)) is not None:
            if first.startswith("GET /figures "):
                body = json.dumps({"most_at_once": Figures.most_at_once, "requests": Figures.requests}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
                continue
            Figures.requests += 1
            Figures.answering += 1
            Figures.most_at_once = max(Figures.most_at_once, Figures.answering)
            try:
                await answer(mode, writer)
            finally:
                Figures.answering -= 1
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(mode, port):
    server = await asyncio.start_server(lambda reader, writer: serve(mode, reader, writer), "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


try:
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
except KeyboardInterrupt:
    pass
