"""Cases of our own, for which the suite has no number: masks, later close codes, limits."""

from hub.gateway.careful import MAX_FRAGMENTS
from hub.protocol.limits import MESSAGE_BYTES
from tests.gateway.raw import BINARY, CLOSE, PING, PONG, TEXT, close_payload, frame

from .case import (
    NORMAL,
    Case,
    ClientCloses,
    HubFails,
    SeeAnswer,
    asking,
    cut,
    fragments,
    octetwise,
    send,
)

PROTOCOL_ERROR = HubFails(1002)
TOO_BIG = HubFails(1009)

_TEXT_ASKING = asking("beyond")
_OPCODES = {"text": TEXT, "binary": BINARY, "close": CLOSE, "ping": PING, "pong": PONG}

MASKS = (
    *(
        Case(
            f"unmasked-{name}",
            "a client masks every frame (RFC 6455 section 5.1)",
            (send(frame(opcode, NORMAL, masked=False), frame(PING)),),
            PROTOCOL_ERROR,
        )
        for name, opcode in _OPCODES.items()
    ),
    Case(
        "unmasked-behind-a-text",
        "a text, then one without a mask, octet by octet",
        (
            octetwise(frame(TEXT, _TEXT_ASKING), frame(TEXT, _TEXT_ASKING, masked=False)),
            SeeAnswer("beyond"),
        ),
        PROTOCOL_ERROR,
    ),
)

# Registered after RFC 6455: service restart, try again later, bad gateway. 1015 never was for use.
LATER_CODES = (
    *(
        Case(f"close-{code}", "a registered code is echoed", (), ClientCloses(close_payload(code)))
        for code in (1012, 1013, 1014)
    ),
    Case(
        "close-1015",
        "a code that no frame carries (section 7.4.1)",
        (send(frame(CLOSE, close_payload(1015))),),
        PROTOCOL_ERROR,
    ),
)

_LARGEST = asking("largest", size=MESSAGE_BYTES)


def _many(count: int) -> bytes:
    """A ping in `count` fragments, of which most are empty."""
    empty = (b"",) * (count - 2)
    return b"".join(fragments(_TEXT_ASKING[:5], *empty, _TEXT_ASKING[5:]))


LIMITS = (
    Case("largest", "a message of 1 MiB", (send(frame(TEXT, _LARGEST)), SeeAnswer("largest"))),
    Case(
        "largest-fragments",
        "a message of 1 MiB in three fragments",
        (send(*fragments(*cut(_LARGEST, 3))), SeeAnswer("largest")),
    ),
    Case(
        "too-long",
        "one octet more, seen in the header alone",
        (send(b"\x81\xff" + (MESSAGE_BYTES + 1).to_bytes(8, "big") + b"mask"),),
        TOO_BIG,
    ),
    Case(
        "length-of-64-bits",
        "the most significant bit of a length is 0 (section 5.2)",
        (send(b"\x81\xff" + (2**64 - 1).to_bytes(8, "big") + b"mask"),),
        TOO_BIG,
    ),
    Case(
        "most-fragments",
        f"a message in {MAX_FRAGMENTS} fragments",
        (send(_many(MAX_FRAGMENTS)), SeeAnswer("beyond")),
    ),
    Case(
        "too-many-fragments",
        "one fragment more",
        (send(_many(MAX_FRAGMENTS + 1)),),
        TOO_BIG,
    ),
)

CASES = (*MASKS, *LATER_CODES, *LIMITS)
