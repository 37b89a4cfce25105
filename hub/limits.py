"""How often somebody may do something: fixed windows, token buckets, and the header fields.

Nothing here waits or runs in the background. Every limiter is for one thread, answers from the
clock at the moment of asking, and forgets by itself: a subject costs memory only while its limit
has something to remember, and there are never more than `most` of them.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

Clock = Callable[[], float]
"""Seconds from any fixed point; never goes back."""

MOST_SUBJECTS = 100_000
"""Subjects that one limiter remembers, about 30 MB at the worst."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE = re.compile(r"([0-9]{1,9})/([0-9]{0,5})([smhd])")
_INSTANT = 1e-6
"""Seconds that count as none: a clock's reading, added to a wait, is rounded."""


class Rate(NamedTuple):
    """So many per so many seconds. `str()` writes it as a setting is written: `100/15m`, `50/s`."""

    limit: int
    seconds: float

    def __str__(self) -> str:
        for unit, seconds in reversed(_UNITS.items()):
            count, rest = divmod(self.seconds, seconds)
            if count and not rest:
                return f"{self.limit}/{int(count) if count > 1 else ''}{unit}"
        return f"{self.limit}/{self.seconds}s"


def parse_rate(text: str) -> Rate | None:
    """Read a rate: `100/15m`, `50/s`, `60/1m`; `off` is None, which is no limit.

    Raises:
        ValueError: the text is none of these, or one of its numbers is 0.
    """
    if text == "off":
        return None
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a rate such as 100/15m or 50/s: a number, a slash and a time"
            " in s, m, h or d; off for none"
        )
    limit, count = int(match[1]), int(match[2] or 1)
    if not limit or not count:
        raise ValueError(f"{text!r} would allow nothing: both numbers begin at 1; off for no limit")
    return Rate(limit, float(count * _UNITS[match[3]]))


class Quota(NamedTuple):
    """What a subject has left after a request.

    Attributes:
        limit, window: the policy: `limit` in `window` seconds.
        remaining: what the current window still allows.
        reset: seconds until the current window ends; the whole window before it has begun.
        allowed: whether this request was within the limit; for `peek`, whether the next one is.
        retry_after: seconds after which the same request is allowed; 0.0 where it was.
    """

    limit: int
    window: float
    remaining: int
    reset: float
    allowed: bool
    retry_after: float


class FixedWindows:
    """A limit per subject (a key's id, an address); a window begins with a subject's first request.

    A take costs about 0.5 µs on a current machine with Python 3.11.

    Args:
        rate: what a window allows, and its length.
        clock: the time.
        most: windows remembered at once. Where more would be, those that are over go first, then
            the one that began first: its subject gets a new window early.
    """

    __slots__ = ("_clock", "_limit", "_most", "_seconds", "_windows")

    def __init__(self, rate: Rate, clock: Clock = monotonic, most: int = MOST_SUBJECTS) -> None:
        self._limit, self._seconds = rate
        self._clock = clock
        self._most = most
        # Subject -> [end, used]. All windows are equally long, so their order of beginning is
        # their order of ending: those that are over are at the front. An ordered dict, because
        # to find the front of a plain one takes ever longer when it is always emptied there.
        self._windows: OrderedDict[str, list[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, subject: str, cost: int = 1) -> Quota:
        """Count a request; one that does not fit takes nothing.

        Args:
            subject: whose request.
            cost: what it takes, from 0. More than the limit counts as the limit, so that it is
                possible at all: at the beginning of a window.
        """
        now = self._clock()
        limit = self._limit
        window = self._windows.get(subject)
        if window is None or now >= window[0]:
            window = self._begin(subject, now)
        end, used = window
        if cost > limit:
            cost = limit
        used = int(used) + cost
        if used <= limit:
            window[1] = used
            return Quota(limit, self._seconds, limit - used, self._until(now, end), True, 0.0)
        return self._refused(now, end, limit - used + cost)

    def peek(self, subject: str) -> Quota:
        """What a subject has left; takes nothing and begins no window."""
        now = self._clock()
        limit = self._limit
        window = self._windows.get(subject)
        if window is None or now >= window[0]:
            return Quota(limit, self._seconds, limit, self._seconds, True, 0.0)
        end, used = window[0], int(window[1])
        if used < limit:
            return Quota(limit, self._seconds, limit - used, self._until(now, end), True, 0.0)
        return self._refused(now, end, 0)

    def _refused(self, now: float, end: float, remaining: int) -> Quota:
        retry_after = end - now
        if now + retry_after < end:  # rounded down: who waits exactly so long would be early
            retry_after += math.ulp(end)
        return Quota(
            self._limit, self._seconds, remaining, self._until(now, end), False, retry_after
        )

    def _until(self, now: float, end: float) -> float:
        """Seconds to a window's end; the sum of two times is rounded, and may be an instant more
        than the whole window."""
        return min(self._seconds, end - now)

    def _begin(self, subject: str, now: float) -> list[float]:
        windows = self._windows
        windows.pop(subject, None)
        # Two are dropped for one that begins, so they never gather and no single take is slow.
        for _ in range(2):
            if not windows:
                break
            oldest = next(iter(windows))
            if len(windows) < self._most and now < windows[oldest][0]:
                break
            del windows[oldest]
        windows[subject] = window = [now + self._seconds, 0]
        return window


class TokenBucket:
    """A limit for one connection or key: a burst at once, then an even rate.

    The bucket is one number, the time at which it will be full (the "theoretical arrival time" of
    the generic cell rate algorithm, ITU-T I.371): nothing has to be refilled.

    A take that costs more than the burst would never fit. It is allowed when the bucket is full,
    and leaves it in debt: a batch of 500 passes at 100 a second, and the next take waits until the
    debt is paid. Over any time `t`, what is taken is at most `burst + rate * t`, or the largest
    single cost in the place of the burst where that is larger.

    A take costs about 0.2 µs on a current machine with Python 3.11.

    Args:
        rate: `rate.limit` tokens come in `rate.seconds`.
        clock: the time.
        burst: tokens of a full bucket; `rate.limit` without it.
    """

    __slots__ = ("_burst", "_clock", "_full_at", "_interval")

    def __init__(self, rate: Rate, clock: Clock = monotonic, burst: float | None = None) -> None:
        self._interval = rate.seconds / rate.limit
        self._burst = float(rate.limit if burst is None else burst)
        self._clock = clock
        self._full_at = -math.inf

    def take(self, cost: float = 1.0) -> float:
        """Take tokens.

        Args:
            cost: how many, from 0.

        Returns:
            0.0 when they were taken. Otherwise nothing was taken, and after so many seconds the
            same take succeeds, if nobody takes in between.
        """
        now = self._clock()
        full_at = self._full_at
        if full_at < now:
            full_at = now
        short = cost - self._burst
        wait = full_at - now + (short * self._interval if short < 0.0 else 0.0)
        if wait > _INSTANT:
            return wait
        self._full_at = full_at + cost * self._interval
        return 0.0


class TokenBuckets:
    """A token bucket per subject; for the rules of a take see `TokenBucket`.

    Args:
        rate: `rate.limit` tokens come in `rate.seconds`, for each subject.
        clock: the time.
        burst: tokens of a full bucket; `rate.limit` without it.
        most: buckets remembered at once. Where more would be, full ones go first (a full bucket
            is as good as none), then the one that was asked longest ago: its subject gets a full
            bucket early.
    """

    __slots__ = ("_burst", "_clock", "_full_at", "_interval", "_most")

    def __init__(
        self,
        rate: Rate,
        clock: Clock = monotonic,
        burst: float | None = None,
        most: int = MOST_SUBJECTS,
    ) -> None:
        self._interval = rate.seconds / rate.limit
        self._burst = float(rate.limit if burst is None else burst)
        self._clock = clock
        self._most = most
        self._full_at: OrderedDict[str, float] = OrderedDict()  # who asked last is at the end

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, subject: str, cost: float = 1.0) -> float:
        """Take tokens from a subject's bucket.

        Returns:
            0.0 when they were taken; otherwise the seconds until they could be.
        """
        now = self._clock()
        times = self._full_at
        full_at = times.get(subject)
        if full_at is None:
            self._make_room(now)
            full_at = now
        else:
            times.move_to_end(subject)
            if full_at < now:
                full_at = now
        short = cost - self._burst
        wait = full_at - now + (short * self._interval if short < 0.0 else 0.0)
        if wait > _INSTANT:
            return wait
        times[subject] = full_at + cost * self._interval
        return 0.0

    def _make_room(self, now: float) -> None:
        times = self._full_at
        for _ in range(2):
            if not times:
                return
            oldest = next(iter(times))
            if len(times) < self._most and now < times[oldest]:
                return
            del times[oldest]


def ratelimit_headers(name: str, quota: Quota) -> list[tuple[bytes, bytes]]:
    """The header fields that tell a client its quota, with names in lower case.

    `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers:
    structured fields (RFC 9651), lists of one item each, with `r` what remains, `t` seconds until
    the window ends, `q` the quota and `w` the window's seconds. A refused request also gets
    `Retry-After` (RFC 9110, section 10.2.3). Seconds are whole and rounded up, so that nobody
    comes too early.

    Args:
        name: the policy's name: visible ASCII without quotes and backslashes.
        quota: what `FixedWindows.take` answered.
    """
    reset, window = math.ceil(quota.reset), math.ceil(quota.window)
    headers = [
        (b"ratelimit", f'"{name}";r={quota.remaining};t={reset}'.encode("ascii")),
        (b"ratelimit-policy", f'"{name}";q={quota.limit};w={window}'.encode("ascii")),
    ]
    if not quota.allowed:
        retry_after = max(1, math.ceil(quota.retry_after))
        headers.append((b"retry-after", b"%d" % retry_after))
    return headers


class Sample:
    """Lets so many a second through, and counts the others: for logs under a flood.

    Args:
        most: a second.
    """

    def __init__(self, most: int, clock: Clock = monotonic) -> None:
        self._most = most
        self._clock = clock
        self._since = -math.inf
        self._count = 0
        self._unsaid = 0

    def allow(self) -> int | None:
        """How many were left out since the last one that was let through; None for one more."""
        now = self._clock()
        if now - self._since >= 1.0:
            self._since, self._count = now, 0
        if self._count == self._most:
            self._unsaid += 1
            return None
        self._count += 1
        unsaid, self._unsaid = self._unsaid, 0
        return unsaid
