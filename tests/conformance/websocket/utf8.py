"""Group 6: UTF-8, mostly after Markus Kuhn's decoder test (the sections in brackets are his)."""

from itertools import product

from tests.gateway.raw import PING, TEXT, frame

from .case import (
    Case,
    HubCloses,
    HubFails,
    SeeAnswer,
    SeeBadFrame,
    SeeNothing,
    SeePong,
    Send,
    Step,
    asking,
    cut_each,
    fragments,
    send,
)

INVALID = HubCloses(1007)
"""A text in one short frame is judged apart from the parser, with a full closing handshake."""
INVALID_IN_FRAGMENTS = HubFails(1007)

UMLAUTS = "Hello-µ@ßöäüàá-UTF-8!!"
KOSME = "κόσμε".replace("ό", "\u1f79").encode()
"""Greek, of 2, 3, 2, 2 and 2 octets: the accent is the one from Greek Extended."""
_KOSME_ENDS = {2, 5, 7, 9, 11}
_EDITED = b"edited"

EMPTY_FRAGMENTS = (
    Case("6.1.1", "an empty text", (send(frame(TEXT)), SeeBadFrame())),
    Case("6.1.2", "three empty fragments", (send(*fragments(b"", b"", b"")), SeeBadFrame())),
    Case(
        "6.1.3",
        "three fragments, the first and the last empty",
        (send(*fragments(b"", asking("middle"), b"")), SeeAnswer("middle")),
    ),
)

_GREEK = KOSME.decode()
_AFTER_UMLAUT = asking(UMLAUTS).index("ü".encode())

VALID_IN_FRAGMENTS = (
    Case("6.2.1", "in one frame", (send(frame(TEXT, asking(UMLAUTS))), SeeAnswer(UMLAUTS))),
    Case(
        "6.2.2",
        "in two fragments, cut between two characters",
        (
            send(*fragments(asking(UMLAUTS)[:_AFTER_UMLAUT], asking(UMLAUTS)[_AFTER_UMLAUT:])),
            SeeAnswer(UMLAUTS),
        ),
    ),
    *(
        Case(
            number,
            f"{text} in fragments of one octet",
            (send(*fragments(*cut_each(asking(text), 1))), SeeAnswer(text)),
        )
        for number, text in (("6.2.3", UMLAUTS), ("6.2.4", _GREEK))
    ),
)

_WITH_SURROGATE = KOSME + b"\xed\xa0\x80" + _EDITED

INVALID_IN_PARTS = (
    Case("6.3.1", "a surrogate, in one frame", (send(frame(TEXT, _WITH_SURROGATE)),), INVALID),
    Case(
        "6.3.2",
        "a surrogate, in fragments of one octet",
        (send(*fragments(*cut_each(_WITH_SURROGATE, 1))),),
        INVALID_IN_FRAGMENTS,
    ),
)

# U+110000, one beyond the last; its second octet is the one that cannot be.
_BEYOND = (KOSME, b"\xf4\x90\x80\x80", _EDITED)
_BEYOND_EXACTLY = (KOSME + b"\xf4", b"\x90", b"\x80\x80" + _EDITED)


def _three_frames(number: str, description: str, parts: tuple[bytes, bytes, bytes]) -> Case:
    """A ping after each fragment shows that it was taken and that the connection is open."""
    first, second, third = fragments(*parts)
    return Case(
        number,
        f"three fragments, {description}",
        (
            send(first, frame(PING, b"1")), SeePong(b"1"),
            send(second, frame(PING, b"2")), SeePong(b"2"),
            send(third),
        ),
        INVALID_IN_FRAGMENTS,
    )  # fmt: skip


def _three_chops(number: str, description: str, parts: tuple[bytes, bytes, bytes]) -> Case:
    """One frame; nothing can be asked within it, so its silence is all that can be seen."""
    payload = b"".join(parts)
    whole = frame(TEXT, payload)
    start = len(whole) - len(payload)
    second, third = start + len(parts[0]), start + len(parts[0]) + len(parts[1])
    return Case(
        number,
        f"three chops of one frame, {description}",
        (
            send(whole[:second]), SeeNothing(),
            send(whole[second:third]), SeeNothing(),
            send(whole[third:]),
        ),
        INVALID,
    )  # fmt: skip


FAIL_FAST = (
    _three_frames("6.4.1", "the second is invalid", _BEYOND),
    _three_frames("6.4.2", "the second is the invalid octet", _BEYOND_EXACTLY),
    _three_chops("6.4.3", "the second is invalid", _BEYOND),
    _three_chops("6.4.4", "the second is the invalid octet", _BEYOND_EXACTLY),
)

# ── 6.5 to 6.23 ──────────────────────────────────────────────────────────────────────────────────

Judged = tuple[bool, bytes]
"""Whether a sequence is valid, and its octets."""


def _good(*sequences: bytes) -> tuple[Judged, ...]:
    return tuple((True, sequence) for sequence in sequences)


def _bad(*sequences: bytes) -> tuple[Judged, ...]:
    return tuple((False, sequence) for sequence in sequences)


def _encoded(*points: int) -> tuple[bytes, ...]:
    return tuple(chr(point).encode() for point in points)


def _surrogates(*points: int) -> bytes:
    return "".join(map(chr, points)).encode(errors="surrogatepass")


def _long_form(lead: int, *rest: int) -> bytes:
    """A sequence of the old integer encoding, which went up to six octets."""
    return bytes((lead, *rest))


def _lonely(first: int, last: int) -> bytes:
    """Each leading octet from `first` to `last`, a space behind each."""
    return b"".join(bytes((lead, 0x20)) for lead in range(first, last + 1))


_LEADS = ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
_LAST_MISSING = tuple(
    bytes((leads[which], *(continuation,) * length))
    for which, continuation in ((0, 0x80), (1, 0xBF))
    for length, leads in enumerate(_LEADS)
)
_HIGH, _LOW = (0xD800, 0xDB7F, 0xDB80, 0xDBFF), (0xDC00, 0xDFFF)
_NONCHARACTERS = tuple(
    point
    for lead, second, last in product(range(0xF0, 0xF5), (0x8F, 0x9F, 0xAF, 0xBF), (0xBE, 0xBF))
    # The last 64 positions of every second octet's range; what lies outside of the planes is none.
    if 0xFFFF < (point := (lead & 7) << 18 | (second & 63) << 12 | 0xFC0 | last & 63) <= 0x10FFFF
)

GROUPS: tuple[tuple[str, tuple[Judged, ...]], ...] = (
    ("valid sequences [1]", _good(*(f"hello{c}world".encode() for c in "$¢€\U00024b62"), KOSME)),
    (
        "prefixes of a valid text",
        tuple((end in _KOSME_ENDS, KOSME[:end]) for end in range(1, len(KOSME) + 1)),
    ),
    ("the first of each length [2.1]", _good(*_encoded(0, 0x80, 0x800, 0x10000))),
    (
        "the first of 5 and 6 octets [2.1]",
        _bad(_long_form(0xF8, 0x88, *(0x80,) * 3), _long_form(0xFC, 0x84, *(0x80,) * 4)),
    ),
    ("the last of each length [2.2]", _good(*_encoded(0x7F, 0x7FF, 0xFFFF, 0x10FFFF))),
    (
        "the last of 4, 5 and 6 octets [2.2]",
        _bad(*(_long_form(lead, *(0xBF,) * n) for lead, n in ((0xF7, 3), (0xFB, 4), (0xFD, 5)))),
    ),
    (
        "other bounds [2.3]",
        _good(*_encoded(0xD7FF, 0xE000, 0xFFFD, 0x10FFFF)) + _bad(b"\xf4\x90\x80\x80"),
    ),
    (
        "unexpected continuations [3.1]",
        _bad(b"\x80", b"\xbf", *(b"\x80\xbf\x80\xbf\x80\xbf"[:n] for n in range(2, 7)))
        + _bad(bytes(range(0x80, 0xBF))),
    ),
    ("leading octets alone [3.2]", _bad(*(_lonely(first, last - 1) for first, last in _LEADS))),
    ("the last octet missing [3.3]", _bad(*_LAST_MISSING)),
    ("incomplete sequences in a row [3.4]", _bad(b"".join(_LAST_MISSING))),
    ("impossible octets [3.5]", _bad(b"\xfe", b"\xff", b"\xfe\xfe\xff\xff")),
    (
        "a slash, overlong [4.1]",
        _bad(*(_long_form(first, *(0x80,) * n, 0xAF) for n, (first, _) in enumerate(_LEADS))),
    ),
    (
        "the longest overlong [4.2]",
        _bad(b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf")
        + _bad(b"\xfc\x83\xbf\xbf\xbf\xbf"),
    ),
    (
        "NUL, overlong [4.3]",
        _bad(*(_long_form(first, *(0x80,) * n) for n, (first, _) in enumerate(_LEADS, 1))),
    ),
    (
        "single surrogates [5.1]",
        _bad(*map(_surrogates, (*_HIGH, 0xDC00, 0xDF80, 0xDFFF))),
    ),
    ("paired surrogates [5.2]", _bad(*(_surrogates(*pair) for pair in product(_HIGH, _LOW)))),
    ("non-characters, which are valid [5.3]", _good(*_encoded(0xFFFE, 0xFFFF, *_NONCHARACTERS))),
    ("specials", _good(*_encoded(*range(0xFFF9, 0x10000)))),
)


def _steps(valid: bool, sequence: bytes) -> tuple[Step, ...]:
    """The sequence alone as a text; a valid one also as a ref, to see it again.

    NUL is valid UTF-8, but no JSON text holds it unescaped (RFC 8259 section 7).
    """
    if not valid:
        return (send(frame(TEXT, sequence)),)
    alone = (send(frame(TEXT, sequence)), SeeBadFrame())
    if sequence == b"\0":
        return alone
    ref = sequence.decode()
    return (*alone, send(frame(TEXT, asking(ref))), SeeAnswer(ref))


def _ping_around(sequence: bytes) -> tuple[bytes, ...]:
    """A JSON ping whose ref is this sequence, in fragments of one octet within it."""
    return (b'{"type":"ping","ref":"', *cut_each(sequence, 1), b'"}')


def _in_fragments(number: str, title: str, valid: bool, sequence: bytes) -> Case:
    """The same through the other reader of the hub, which takes fragments."""
    alone: Send = send(*fragments(*cut_each(sequence, 1), b""))
    inside: Send = send(*fragments(*_ping_around(sequence)))
    if not valid:
        return Case(f"{number}-fragments", title, (inside,), INVALID_IN_FRAGMENTS)
    seen: Step = SeeBadFrame() if sequence == b"\0" else SeeAnswer(sequence.decode())
    return Case(f"{number}-fragments", title, (alone, SeeBadFrame(), inside, seen))


_NUMBERED = tuple(
    (f"6.{group}.{number}", f"{title}: {sequence.hex(' ')}", valid, sequence)
    for group, (title, judged) in enumerate(GROUPS, 5)
    for number, (valid, sequence) in enumerate(judged, 1)
)

SEQUENCES = tuple(
    Case(number, title, _steps(valid, sequence))
    if valid
    else Case(number, title, _steps(valid, sequence), INVALID)
    for number, title, valid, sequence in _NUMBERED
)

CASES = (
    *EMPTY_FRAGMENTS,
    *VALID_IN_FRAGMENTS,
    *INVALID_IN_PARTS,
    *FAIL_FAST,
    *SEQUENCES,
)

FRAGMENTED = tuple(_in_fragments(*one) for one in _NUMBERED)
"""Cases 6.5 to 6.23 once more, in fragments of one octet: the suite sends them in one frame."""
