"""Identifiers: UUIDv7 (RFC 9562 section 5.7) for what the hub and its SDKs name."""

import os
import time

_COUNTER = [f"{n:03x}" for n in range(0x1000)]


class Uuid7Source:
    """Makes UUIDv7 texts that sort in the order in which they were made.

    Ids of one millisecond share 62 random bits and differ by a 12-bit counter in `rand_a`
    (method 1 of RFC 9562 section 6.2); when it overflows, the clock is taken one millisecond
    further. They are unique, not secret. 0.3 µs each; fresh random bits for every id cost 0.9 µs.
    """

    def __init__(self) -> None:
        self._ms = 0
        self._counter = 0
        self._prefix = ""
        self._suffix = ""

    def __call__(self) -> str:
        """Return the next id, 36 lower-case characters."""
        ms = time.time_ns() // 1_000_000
        if ms > self._ms:
            self._advance(ms)
        else:
            self._counter += 1
            if self._counter > 0xFFF:
                self._advance(self._ms + 1)
        return self._prefix + _COUNTER[self._counter] + self._suffix

    def _advance(self, ms: int) -> None:
        self._ms = ms
        self._counter = 0
        digits = f"{ms:012x}"
        self._prefix = f"{digits[:8]}-{digits[8:]}-7"
        rand = os.urandom(8).hex()
        # The variant takes the two top bits of rand_b: 8, 9, a or b.
        self._suffix = f"-{'89ab'[int(rand[0], 16) & 3]}{rand[1:4]}-{rand[4:]}"


def least_uuid7(milliseconds: int) -> str:
    """What sorts before every UUIDv7 that was made at a moment or later, and behind all others.

    Args:
        milliseconds: since 1970.
    """
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


uuid7 = Uuid7Source()
"""The process's own source of ids. Not to be shared between threads."""
