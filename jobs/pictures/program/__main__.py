"""See the package."""

import json
import os
import resource
import signal
import sys
from typing import Any

from PIL import Image, ImageFile

from .check import Refused, look
from .shrink import shrink

MEMORY_BYTES = 272 << 20
"""Memory of this process. What it maps of Python and the libraries, 15 MB, comes on top."""
LOOK_SECONDS = 4.0
"""Processor time to look at a picture. 40 megapixels take half a second; a JPEG of 5 MB may be made
to take hours, with thousands of scans, of which T.81 allows any number."""
SHRINK_SECONDS = 8.0
"""Processor time for its sizes. What was looked at in its time is not to fail for the rest."""
NICE = 10
"""Live events are more urgent than pictures."""


def _bound() -> None:
    """Bound what this process may do."""
    os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the hub ends it, when it has finished itself
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = None  # the limit here is lower, and has words of its own


def _answer(request: dict[str, str]) -> tuple[dict[str, Any], list[bytes]]:
    if "look" in request:
        signal.setitimer(signal.ITIMER_PROF, LOOK_SECONDS)
        return look(request["look"]), []
    signal.setitimer(signal.ITIMER_PROF, SHRINK_SECONDS)
    return shrink(request["shrink"])


def main() -> None:
    """Answer until the input ends."""
    _bound()
    out = sys.stdout.buffer
    for line in sys.stdin:
        files: list[bytes] = []
        # A picture that takes longer ends the process, whatever library it is in.
        try:
            answer, files = _answer(json.loads(line))
        except FileNotFoundError:
            answer = {"missing": True}
        except Refused as refused:
            answer = {"refused": str(refused)}
        except Exception as error:
            answer = {"fault": f"{type(error).__name__}: {error}"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write(json.dumps(answer).encode() + b"\n")
        for file in files:
            out.write(file)
        out.flush()


if __name__ == "__main__":
    main()
