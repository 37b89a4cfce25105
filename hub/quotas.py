"""The limits of one hub, by what they count: made from the settings once.

rest            REST requests by key, by address without one        HUB_RATE_LIMIT
entrance        sign-ins and tickets by key or address              60 a minute
streams         long polls and streams opened, by key               1,200 a minute
failed_sign_ins by address: sign-in waits after so many             10 a minute
wrong_keys      by address: further wrong keys are not told apart   60 a minute
publish         events by key                                       HUB_PUBLISH_RATE
call            `call` frames by connection                         HUB_CALL_RATE
"""

from collections import Counter

from msgspec import Struct, field

from .limits import FixedWindows, Rate, TokenBuckets
from .settings import Settings

ENTRANCE = Rate(60, 60.0)
STREAMS = Rate(1200, 60.0)
FAILED_SIGN_INS = Rate(10, 60.0)
WRONG_KEYS = Rate(60, 60.0)


LIMITS = (
    "rest", "entrance", "streams", "failed_sign_ins", "wrong_keys", "publish", "call",
)  # fmt: skip


class Quotas(Struct, frozen=True):
    """See the module.

    Attributes:
        refused: how often each limit has refused, by its name.
    """

    rest: FixedWindows | None
    entrance: FixedWindows
    streams: FixedWindows
    failed_sign_ins: FixedWindows
    wrong_keys: FixedWindows
    publish: TokenBuckets | None
    call: Rate | None
    refused: Counter[str] = field(
        default_factory=lambda: Counter(dict.fromkeys(LIMITS, 0)),
    )


def quotas(settings: Settings) -> Quotas:
    """The limits that the settings ask for."""
    return Quotas(
        rest=None if settings.rate_limit is None else FixedWindows(settings.rate_limit),
        entrance=FixedWindows(ENTRANCE),
        streams=FixedWindows(STREAMS),
        failed_sign_ins=FixedWindows(FAILED_SIGN_INS),
        wrong_keys=FixedWindows(WRONG_KEYS),
        publish=None if settings.publish_rate is None else TokenBuckets(settings.publish_rate),
        call=settings.call_rate,
    )
