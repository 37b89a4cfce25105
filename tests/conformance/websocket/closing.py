"""Group 7: closing."""

from tests.gateway.raw import CLOSE, PING, TEXT, close_payload, frame

from .case import (
    NORMAL,
    Case,
    ClientCloses,
    CloseAnswered,
    HubFails,
    SeeAnswer,
    asking,
    cut,
    fragments,
    send,
)

PROTOCOL_ERROR = HubFails(1002)
CLOSED = CloseAnswered(NORMAL)
CLOSE_FRAME = frame(CLOSE, NORMAL)
HELLO = "Hello World!"
TEXT_HELLO = frame(TEXT, asking(HELLO))
SEE_HELLO = SeeAnswer(HELLO)

_TWO = fragments(*cut(asking(HELLO), 2))

BEHAVIOUR = (
    Case("7.1.1", "a text, then a close", (send(TEXT_HELLO), SEE_HELLO)),
    Case("7.1.2", "two closes", (send(CLOSE_FRAME, frame(CLOSE)),), CLOSED),
    Case("7.1.3", "a ping after the close", (send(CLOSE_FRAME, frame(PING)),), CLOSED),
    Case("7.1.4", "a text after the close", (send(CLOSE_FRAME, TEXT_HELLO),), CLOSED),
    Case("7.1.5", "a close between two fragments", (send(_TWO[0], CLOSE_FRAME, _TWO[1]),), CLOSED),
    Case(
        "7.1.6",
        "a text of 256 KiB, a short one, a close, a ping",
        (
            send(frame(TEXT, asking("long", size=2**18)), TEXT_HELLO, CLOSE_FRAME, frame(PING)),
            SeeAnswer("long"),
            SEE_HELLO,
        ),
        CLOSED,
    ),
)

# A reason that is UTF-8 up to a surrogate.
_BAD_REASON = "κόσμε".encode() + b"\xed\xa0\x80edited"

PAYLOADS = (
    Case("7.3.1", "a close without payload", (), ClientCloses(b"")),
    Case("7.3.2", "a close of one octet", (send(frame(CLOSE, b"a")),), PROTOCOL_ERROR),
    Case("7.3.3", "a close with a code", (), ClientCloses(NORMAL)),
    Case("7.3.4", "a close with a reason", (), ClientCloses(close_payload(1000, "Hello World!"))),
    Case("7.3.5", "a reason of 123 octets", (), ClientCloses(close_payload(1000, "*" * 123))),
    Case(
        "7.3.6",
        "a reason of 124 octets",
        (send(frame(CLOSE, close_payload(1000, "*" * 124))),),
        PROTOCOL_ERROR,
    ),
    Case(
        "7.5.1",
        "a reason that is no UTF-8",
        (send(frame(CLOSE, NORMAL + _BAD_REASON)),),
        HubFails(1007),
    ),
)

VALID = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
INVALID = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)


def _refused(number: str, code: int) -> Case:
    sent = send(frame(CLOSE, close_payload(code)))
    return Case(number, f"close code {code}", (sent,), PROTOCOL_ERROR)


CODES = (
    *(
        Case(f"7.7.{number}", f"close code {code}", (), ClientCloses(close_payload(code)))
        for number, code in enumerate(VALID, 1)
    ),
    *(_refused(f"7.9.{number}", code) for number, code in enumerate(INVALID, 1)),
    _refused("7.13.1", 5000),
    _refused("7.13.2", 65535),
)

CASES = (*BEHAVIOUR, *PAYLOADS, *CODES)
