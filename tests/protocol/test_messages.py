"""What message events say of a row, whatever bots put into them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol import messages
from hub.protocol.messages import MESSAGE_TYPES, STEPS, MessageNote, address_of, note_of
from hub.protocol.times import parse_ms

NOW_MS = 1_795_341_600_000  # 2026-11-22T10:00:00Z
GOOD = {"messageId": "w1", "fromPhone": "263771", "text": "hi", "timestamp": "x"}


anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64), st.floats(allow_nan=False),
        st.text(max_size=300), st.sampled_from(["263771@c.us", "x" * 70_000, "1@g.us", "\0"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)  # fmt: skip


def note(type_: str = "message_received", stamped: str | None = None, **data: Any) -> MessageNote:
    found = note_of(type_, GOOD | data, stamped, NOW_MS)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("given_", "phone", "chat"),
    [
        ("263771234567", "263771234567", None),
        ("+263771234567", "263771234567", None),
        (" + 263771234567 ", "263771234567", None),
        ("263771234567@s.whatsapp.net", "263771234567", None),
        ("+263771234567@C.US", "263771234567", None),
        ("263771234567:12@s.whatsapp.net", "263771234567", None),
        ("120363041234567890@g.us", "120363041234567890", "120363041234567890@g.us"),
        ("263771-1489000000@g.us", "263771-1489000000", "263771-1489000000@g.us"),
        ("98765@lid", "98765@lid", None),
        ("status@broadcast", "status@broadcast", None),
        ("till 4", "till 4", None),
        ("@c.us", "", None),
        ("+", "", None),
    ],
)
def test_addresses(given_: str, phone: str, chat: str | None) -> None:
    assert address_of(given_) == (phone, chat)


@given(st.text(max_size=60))
def test_a_stored_number_is_found_by_itself(given_: str) -> None:
    phone, _ = address_of(given_)
    assert address_of(phone)[0] == phone


@pytest.mark.parametrize(
    ("moment", "stamped", "made_at"),
    [
        ("2026-11-22T09:00:00+01:00", None, "2026-11-22T08:00:00.000Z"),
        (1_795_341_000, None, "2026-11-22T09:50:00.000Z"),
        (1_795_341_000_250, None, "2026-11-22T09:50:00.250Z"),
        (1_795_341_000.25, None, "2026-11-22T09:50:00.250Z"),
        ("1795341000", None, "2026-11-22T09:50:00.000Z"),
        (1_795_341_900, None, "2026-11-22T10:05:00.000Z"),
        (1_795_341_901, None, None),
        ("1999-01-01T00:00:00Z", None, None),
        (0, "2026-11-22T08:00:00Z", "2026-11-22T08:00:00.000Z"),
        (2**63, None, None),
        (1e300, None, None),
        ("yesterday", None, None),
        (True, None, None),
    ],
)
def test_moments(moment: Any, stamped: str | None, made_at: str | None) -> None:
    assert note(stamped=stamped, timestamp=moment).made_at == made_at


@pytest.mark.parametrize(
    "odd",
    [
        {"messageId": ""}, {"messageId": 7}, {"messageId": None}, {"messageId": "a\0b"},
        {"messageId": "x" * 257}, {"fromPhone": "9" * 33}, {"fromPhone": "+"},
        {"fromPhone": "1\0"}, {"fromPhone": ["263771"]},
    ],
)  # fmt: skip
def test_what_names_no_message_or_nobody_is_no_row(odd: dict[str, Any]) -> None:
    assert note_of("message_received", GOOD | odd, None, NOW_MS) is None


def test_what_is_too_long_is_cut_or_left_out() -> None:
    found = note(text="x" * 70_000, type="y" * 33, fromPhone="1" * 20 + "@g.us")
    assert (len(found.text or ""), found.type, found.phone) == (65_536, "text", "1" * 20)
    assert note(text="a\0b").text == "ab"
    assert note(type="image").type == "image"
    failed = note_of("message_failed", {"messageId": "w", "reason": "x" * 5000}, None, NOW_MS)
    assert failed is not None
    assert failed.error == "x" * 4096


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"error": "no such number"}, "no such number"),
        ({"error": {"code": 131026, "message": "undeliverable"}}, "undeliverable"),
        ({"reason": "blocked"}, "blocked"),
        ({"error": 42}, None),
        ({}, None),
    ],
)
def test_why_a_message_failed(data: dict[str, Any], error: str | None) -> None:
    assert note("message_failed", **data).error == error
    assert note("message_read", **data).error is None


def test_steps_go_forwards() -> None:
    order = ["queued", "sent", "delivered", "read"]
    for at, status in enumerate(order):
        assert STEPS[status] - {"failed"} == set(order[at + 1 :])  # type: ignore[index]
    assert {status for status, after in STEPS.items() if "failed" in after} == {"queued", "sent"}
    assert STEPS["failed"] == STEPS["received"] == frozenset()


_fields = ("messageId", "fromPhone", "toPhone", "text", "timestamp", "type", "templateId", "error")


@given(
    st.sampled_from(sorted(MESSAGE_TYPES)),
    st.dictionaries(st.sampled_from(_fields), anything),
    st.one_of(st.none(), st.text(max_size=30)),
)
def test_every_note_fits_its_columns(
    type_: str, data: dict[str, Any], timestamp: str | None
) -> None:
    found = note_of(type_, data, timestamp, NOW_MS)
    if found is None:
        return
    most = {
        "provider_id": messages.PROVIDER_ID_CHARS, "chat": messages.CHAT_CHARS, "template_id": 36,
        "text": messages.TEXT_CHARS, "type": messages.TYPE_CHARS, "error": messages.ERROR_CHARS,
        "phone": messages.PHONE_CHARS,
    }  # fmt: skip
    for name, chars in most.items():
        value = getattr(found, name)
        assert value is None or (len(value) <= chars and "\0" not in value), name
    assert found.provider_id
    assert found.type
    if found.made_at is not None:
        assert parse_ms(found.made_at) <= NOW_MS + 300_000
