"""`python -m tests.bench.baseline_pillow PROCESSES FOLDER`: what Pillow alone takes for the sizes.

As somebody writes it who knows Pillow: one decoding of each picture, a JPEG at the scale that is
large enough, and each size from the one before. The sizes are written beside the picture. Prints
`ready` when the processes stand, works when a line comes in, prints the seconds that it took, and
ends with another line.
"""

from __future__ import annotations

import os
import sys
import time
from multiprocessing import Pool
from pathlib import Path

from PIL import Image, ImageOps

SIDES = (("original", 1200), ("medium", 600), ("thumbnail", 200))
NICE = 10


def sizes(path: Path) -> None:
    """Make the sizes of a JPEG."""
    with Image.open(path) as opened:
        opened.draft("RGB", (1200, 1200))
        image = ImageOps.exif_transpose(opened).convert("RGB")
    for name, side in SIDES:
        image.thumbnail((side, side), Image.Resampling.BICUBIC)
        image.save(path.with_suffix(f".{name}.jpg"), "JPEG", quality=82)
    image.thumbnail((16, 16), Image.Resampling.BICUBIC)
    image.save(path.with_suffix(".placeholder.webp"), "WEBP", quality=82)


def main() -> None:
    processes, folder = int(sys.argv[1]), Path(sys.argv[2])
    paths = sorted(folder.glob("*.upload"))
    with Pool(processes, os.nice, (NICE,)) as pool:
        pool.map(sizes, paths[:processes], chunksize=1)
        print("ready", flush=True)
        sys.stdin.readline()
        begun = time.monotonic()
        for _ in pool.imap_unordered(sizes, paths, chunksize=1):
            pass
        print(time.monotonic() - begun, flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
