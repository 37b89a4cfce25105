"""Lines from a file descriptor, for a loop that must not wait for them."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator

_CHUNK = 65536
_CHUNKS_AHEAD = 4


async def read_lines(descriptor: int, longest: int) -> AsyncIterator[bytes]:
    """Yield each line without its end; an empty last one is left out.

    A thread reads, because a terminal, a pipe and a file have no other way in common. It is a
    daemon: nothing can end a read from a terminal, and the program must not wait for it.

    Args:
        descriptor: open for reading.
        longest: most bytes of one line.

    Raises:
        ValueError: a line is longer.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue(_CHUNKS_AHEAD)
    room = threading.Semaphore(_CHUNKS_AHEAD)

    def read() -> None:
        chunk = b"more"
        while chunk:
            room.acquire()
            try:
                chunk = os.read(descriptor, _CHUNK)
            except OSError:
                chunk = b""
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop is closed: nobody reads on
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        room.release()
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if len(line) > longest:
                raise ValueError(f"a line is longer than {longest} bytes")
            yield line
        if len(rest) > longest:
            raise ValueError(f"a line is longer than {longest} bytes")
    if rest:
        yield rest
