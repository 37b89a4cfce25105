"""Groups 1 to 5 and 10: framing, pings and pongs, reserved bits, opcodes, fragmentation."""

from tests.gateway.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

from .case import (
    Case,
    HubCloses,
    HubFails,
    SeeAnswer,
    SeeBadFrame,
    SeePong,
    asking,
    chopped,
    cut,
    cut_each,
    fragments,
    framewise,
    octetwise,
    send,
)

SIZES = (125, 126, 127, 128, 65535, 65536)
CHOP = 997
NO_UTF8 = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
PROTOCOL_ERROR = HubFails(1002)
UNSUPPORTED = HubCloses(1003)

HELLO = "Hello, world!"
TEXT_HELLO = frame(TEXT, asking(HELLO))
SEE_HELLO = SeeAnswer(HELLO)

TEXTS = (
    Case("1.1.1", "an empty text", (send(frame(TEXT)), SeeBadFrame())),
    *(
        Case(
            f"1.1.{number}",
            f"a text of {size} octets",
            (send(frame(TEXT, asking(HELLO, size=size))), SEE_HELLO),
        )
        for number, size in enumerate(SIZES, 2)
    ),
    Case(
        "1.1.8",
        f"a text of 65536 octets in chops of {CHOP}",
        (chopped(CHOP, frame(TEXT, asking(HELLO, size=65536))), SEE_HELLO),
    ),
)

BINARIES = (
    Case("1.2.1", "an empty binary message", (send(frame(BINARY)),), UNSUPPORTED),
    *(
        Case(
            f"1.2.{number}",
            f"a binary message of {size} octets",
            (send(frame(BINARY, b"\xfe" * size)),),
            UNSUPPORTED,
        )
        for number, size in enumerate(SIZES, 2)
    ),
    Case(
        "1.2.8",
        f"a binary message of 65536 octets in chops of {CHOP}",
        (chopped(CHOP, frame(BINARY, b"\xfe" * 65536)),),
        UNSUPPORTED,
    ),
)

_TEN = tuple(b"payload-%d" % number for number in range(10))
_UNSOLICITED = frame(PONG, b"unsolicited pong payload")

PINGS = (
    Case("2.1", "a ping without payload", (send(frame(PING)), SeePong(b""))),
    Case(
        "2.2",
        "a ping with a short text",
        (send(frame(PING, HELLO.encode())), SeePong(b"Hello, world!")),
    ),
    Case(
        "2.3",
        "a ping with octets that are no UTF-8",
        (send(frame(PING, NO_UTF8)), SeePong(NO_UTF8)),
    ),
    Case("2.4", "a ping of 125 octets", (send(frame(PING, b"\xfe" * 125)), SeePong(b"\xfe" * 125))),
    Case("2.5", "a ping of 126 octets", (send(frame(PING, b"\xfe" * 126)),), PROTOCOL_ERROR),
    Case(
        "2.6",
        "a ping of 125 octets, octet by octet",
        (octetwise(frame(PING, b"\xfe" * 125)), SeePong(b"\xfe" * 125)),
    ),
    Case("2.7", "an unsolicited pong without payload", (send(frame(PONG)),)),
    Case("2.8", "an unsolicited pong with payload", (send(_UNSOLICITED),)),
    Case(
        "2.9",
        "an unsolicited pong, then a ping",
        (send(_UNSOLICITED, frame(PING, b"ping payload")), SeePong(b"ping payload")),
    ),
    Case(
        "2.10",
        "ten pings",
        (send(*(frame(PING, payload) for payload in _TEN)), *map(SeePong, _TEN)),
    ),
    Case(
        "2.11",
        "ten pings, octet by octet",
        (octetwise(*(frame(PING, payload) for payload in _TEN)), *map(SeePong, _TEN)),
    ),
)


def _behind_a_text(bad: bytes) -> tuple[bytes, bytes, bytes]:
    """A text, the frame with the fault, and a ping that must not be answered any more."""
    return TEXT_HELLO, bad, frame(PING)


RESERVED_BITS = (
    Case("3.1", "a text with RSV 1", (send(frame(TEXT, asking(HELLO), rsv=1)),), PROTOCOL_ERROR),
    Case(
        "3.2",
        "a text, a text with RSV 2, a ping",
        (send(*_behind_a_text(frame(TEXT, asking(HELLO), rsv=2))), SEE_HELLO),
        PROTOCOL_ERROR,
    ),
    Case(
        "3.3",
        "a text, a text with RSV 3, a ping, frame by frame",
        (framewise(*_behind_a_text(frame(TEXT, asking(HELLO), rsv=3))), SEE_HELLO),
        PROTOCOL_ERROR,
    ),
    Case(
        "3.4",
        "a text, a text with RSV 4, a ping, octet by octet",
        (octetwise(*_behind_a_text(frame(TEXT, asking(HELLO), rsv=4))), SEE_HELLO),
        PROTOCOL_ERROR,
    ),
    Case(
        "3.5", "a binary message with RSV 5", (send(frame(BINARY, NO_UTF8, rsv=5)),), PROTOCOL_ERROR
    ),
    Case("3.6", "a ping with RSV 6", (send(frame(PING, b"x", rsv=6)),), PROTOCOL_ERROR),
    Case("3.7", "a close with RSV 7", (send(frame(CLOSE, rsv=7)),), PROTOCOL_ERROR),
)


def _reserved_opcodes(group: str, first: int) -> tuple[Case, ...]:
    """Five reserved opcodes: alone, with a payload, and behind a text."""
    payload = b"reserved opcode payload"
    two, three, four, five = range(first + 1, first + 5)
    return (
        Case(f"{group}.1", f"opcode {first}", (send(frame(first)),), PROTOCOL_ERROR),
        Case(
            f"{group}.2", f"opcode {two} with payload", (send(frame(two, payload)),), PROTOCOL_ERROR
        ),
        Case(
            f"{group}.3",
            f"a text, opcode {three}, a ping",
            (send(*_behind_a_text(frame(three))), SEE_HELLO),
            PROTOCOL_ERROR,
        ),
        Case(
            f"{group}.4",
            f"a text, opcode {four} with payload, a ping",
            (send(*_behind_a_text(frame(four, payload))), SEE_HELLO),
            PROTOCOL_ERROR,
        ),
        Case(
            f"{group}.5",
            f"a text, opcode {five} with payload, a ping, octet by octet",
            (octetwise(*_behind_a_text(frame(five, payload))), SEE_HELLO),
            PROTOCOL_ERROR,
        ),
    )


OPCODES = (*_reserved_opcodes("4.1", 3), *_reserved_opcodes("4.2", 11))

_TWO = fragments(*cut(asking(HELLO), 2))
_FIVE = fragments(*cut(asking(HELLO), 5))
_BETWEEN = (_TWO[0], frame(PING, b"ping payload"), _TWO[1])
_SEE_BETWEEN = (SeePong(b"ping payload"), SEE_HELLO)


def _nothing_to_continue(first_number: int, fin: bool) -> tuple[Case, ...]:
    """A continuation of nothing, then a text: in one piece, by frames, by octets."""
    frames = (frame(CONTINUATION, b"non-continuation payload", fin=fin), TEXT_HELLO)
    what = f"a continuation with FIN = {int(fin)} of nothing, then a text"
    return tuple(
        Case(f"5.{number}", f"{what}, {how}", (sent,), PROTOCOL_ERROR)
        for number, (how, sent) in enumerate(
            (
                ("in one piece", send(*frames)),
                ("frame by frame", framewise(*frames)),
                ("octet by octet", octetwise(*frames)),
            ),
            first_number,
        )
    )


def _pings_between_five(number: str, how: str, by_frames: bool) -> Case:
    """Each ping is answered before the client sends on."""
    sent = framewise if by_frames else send
    return Case(
        number,
        f"a text in five fragments, pings after the second and the fourth, {how}",
        (
            sent(*_FIVE[:2], frame(PING, b"pongme 1!")),
            SeePong(b"pongme 1!"),
            sent(*_FIVE[2:4], frame(PING, b"pongme 2!")),
            SeePong(b"pongme 2!"),
            sent(_FIVE[4]),
            SEE_HELLO,
        ),
    )


FRAGMENTATION = (
    *(
        Case(
            number,
            f"a {name} in two fragments",
            (send(frame(opcode, b"fragment1", fin=False), frame(CONTINUATION, b"fragment2")),),
            PROTOCOL_ERROR,
        )
        for number, name, opcode in (("5.1", "ping", PING), ("5.2", "pong", PONG))
    ),
    Case("5.3", "a text in two fragments, in one piece", (send(*_TWO), SEE_HELLO)),
    Case("5.4", "a text in two fragments, frame by frame", (framewise(*_TWO), SEE_HELLO)),
    Case("5.5", "a text in two fragments, octet by octet", (octetwise(*_TWO), SEE_HELLO)),
    Case("5.6", "a ping between two fragments, in one piece", (send(*_BETWEEN), *_SEE_BETWEEN)),
    Case("5.7", "a ping between two fragments, by frames", (framewise(*_BETWEEN), *_SEE_BETWEEN)),
    Case("5.8", "a ping between two fragments, by octets", (octetwise(*_BETWEEN), *_SEE_BETWEEN)),
    *_nothing_to_continue(9, fin=True),
    *_nothing_to_continue(12, fin=False),
    Case(
        "5.15",
        "a text in two fragments, a continuation with FIN = 0 of nothing, a text",
        (send(*_TWO, frame(CONTINUATION, b"fragment3", fin=False), TEXT_HELLO), SEE_HELLO),
        PROTOCOL_ERROR,
    ),
    *(
        Case(
            number,
            f"twice: a continuation with FIN = {int(fin)} of nothing, a text in two fragments",
            (send(*(frame(CONTINUATION, b"fragment1", fin=fin), *_TWO) * 2),),
            PROTOCOL_ERROR,
        )
        for number, fin in (("5.16", False), ("5.17", True))
    ),
    Case(
        "5.18",
        "a text in two fragments that both have the opcode of a text",
        (send(frame(TEXT, b"fragment1", fin=False), frame(TEXT, b"fragment2")),),
        PROTOCOL_ERROR,
    ),
    _pings_between_five("5.19", "in one piece", by_frames=False),
    _pings_between_five("5.20", "frame by frame", by_frames=True),
)

AUTO_FRAGMENTATION = (
    Case(
        "10.1.1",
        "a text of 65536 octets in fragments of 1300",
        (send(*fragments(*cut_each(asking(HELLO, size=65536), 1300))), SEE_HELLO),
    ),
)

CASES = (
    *TEXTS,
    *BINARIES,
    *PINGS,
    *RESERVED_BITS,
    *OPCODES,
    *FRAGMENTATION,
    *AUTO_FRAGMENTATION,
)
