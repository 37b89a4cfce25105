"""`python -m tests.bench.uploader PORT PARALLEL MEGABYTES`: uploads until its input ends.

The key comes by the first line of the input, because arguments are everybody's to read. Each upload
is another picture: the same JPEG with another number behind it. Prints `ready` when one from each
line has come through, and at the end the seconds that each one took, as JSON.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import socket
import sys
import threading
import time

from PIL import Image

HOST = "127.0.0.1"


def picture(size: int) -> bytes:
    """A photo of almost so many bytes."""
    side = int((size / 1.36) ** 0.5)  # what noise takes a pixel in a JPEG of this quality
    noise = Image.frombytes("RGB", (side, side), random.Random(1).randbytes(side * side * 3))
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=95)
    made = out.getvalue()[: size - 100]
    return made + b"\xff\xd9" + b"\0" * (size - 100 - len(made))


class Uploader:
    """Parallel lines, each of which uploads one picture after the other."""

    def __init__(self, port: int, key: str, body: bytes) -> None:
        self._port = port
        self._body = body
        self._head = (
            f"POST /api/media/upload HTTP/1.1\r\nHost: {HOST}\r\nX-API-Key: {key}\r\n"
            f"Content-Type: image/jpeg\r\nContent-Length: {len(body) + 16}\r\n\r\n"
        ).encode()
        self._numbers = itertools.count()
        self.took: list[float] = []
        self.refused: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        with socket.create_connection((HOST, self._port), 60) as line:
            while not self.done.is_set():
                begun = time.monotonic()
                line.sendall(self._head)
                line.sendall(self._body)
                line.sendall(b"%016d" % next(self._numbers))
                answer = b""
                while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
                    piece = line.recv(1 << 16)
                    if not piece:
                        self.refused.append("cut")
                        return
                    answer += piece
                if not answer.startswith(b"HTTP/1.1 201"):
                    self.refused.append(answer[-300:].decode(errors="replace"))
                    return
                self.took.append(time.monotonic() - begun)


def main() -> None:
    port, parallel, megabytes = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    key = sys.stdin.readline().strip()
    os.nice(10)  # the generator's clock is on this core
    uploader = Uploader(port, key, picture(int(megabytes * 1024 * 1024) - 16))
    lines = [threading.Thread(target=uploader.run) for _ in range(parallel)]
    for line in lines:
        line.start()
    while len(uploader.took) < parallel and not uploader.refused:
        time.sleep(0.02)
    print("ready", flush=True)
    before = len(uploader.took)
    begun = time.monotonic()
    sys.stdin.read()
    seconds = time.monotonic() - begun
    took = uploader.took[before:]
    uploader.done.set()
    for line in lines:
        line.join()
    found = {"took": took, "seconds": seconds, "refused": uploader.refused}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
