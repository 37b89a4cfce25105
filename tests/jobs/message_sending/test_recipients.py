"""Whom a message goes to, as people and gateways write it."""

import pytest

from hub.protocol.errors import InvalidParams
from jobs.message_sending.recipients import recipient_of


@pytest.mark.parametrize(
    ("given", "phone", "chat"),
    [
        ("263771234567", "263771234567", None),
        ("+263 77 123 4567", "263771234567", None),
        ("+263-(77) 123.4567", "263771234567", None),
        ("263771234567@s.whatsapp.net", "263771234567", None),
        ("263771234567:12@s.whatsapp.net", "263771234567", None),
        (" 263771234567@C.US ", "263771234567", None),
        ("120363041234567890@g.us", "120363041234567890", "120363041234567890@g.us"),
        ("263771234567-1611111111@g.us", "263771234567-1611111111", "263771234567-1611111111@g.us"),
        ("12345678901234@lid", "12345678901234@lid", None),
    ],
)
def test_a_recipient_is_stored_as_what_comes_from_there(
    given: str, phone: str, chat: str | None
) -> None:
    assert recipient_of(given) == (phone, chat)


@pytest.mark.parametrize(
    "given",
    ["", " ", "+", "1234", "1" * 21, "0x263771", "٢٦٣٧٧١٢٣", "call me", "263771@example.com",
     "@g.us", "abc@g.us", "2637\x0012345"],
)  # fmt: skip
def test_what_nobody_can_be_reached_by_is_named(given: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        recipient_of(given, "/recipients/3/to")
    [error] = caught.value.errors
    assert error.pointer == "/recipients/3/to"
    assert "country code" in error.message
