"""What many commands take, as both doors decode it: unknown fields are errors that name them."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, Struct, structs

R = TypeVar("R", bound=Struct)

Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+(?!\n)$")]
"""The name of a merchant, a key or a product: one line."""
Limit = Annotated[int, Meta(ge=1, le=1000)]
Word = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
"""An id, or the name of a kind, to look for."""
RowId = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\\n)$",
        examples=["01993e5c-7a40-7000-8000-000000000000"],
    ),
]
"""The id of a new row that its maker chooses: a UUID in small letters (RFC 9562 section 4)."""
Time = Annotated[str, Meta(max_length=64, extra_json_schema={"format": "date-time"})]
"""A time as RFC 3339; see `hub.protocol.times`."""
After = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00]*$")]
"""Where a page goes on: the `next` of the page before; empty for the first."""
Text = Annotated[str, Meta(max_length=4096, pattern=r"^[^\x00]*$")]
"""Text of several lines."""
MOST = 2**53 - 1
"""The largest whole number that every reader of JSON keeps (RFC 8259 section 6)."""
Amount = Annotated[int, Meta(ge=0, le=MOST)]
"""Money in minor units, or a number of goods."""
Positive = Annotated[int, Meta(ge=1, le=MOST)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["USD"])]
"""ISO 4217: three capitals."""
Phone = Annotated[
    str, Meta(max_length=21, pattern="^[+]?[0-9]{5,20}(?!\\n)$", examples=["+263771234567"])
]
"""A telephone number: digits, perhaps behind a plus."""


PAGE = 200
"""Most rows on a page where one may have tens of kilobytes: a page is encoded in one turn of the
loop."""


class Nothing(Struct, forbid_unknown_fields=True):
    """For a command that takes nothing."""


class ById(Struct, forbid_unknown_fields=True):
    """The row of this id."""

    id: Word


class ListOf(Struct, forbid_unknown_fields=True):
    """A page of a list; `merchant_id` narrows that of an admin."""

    merchant_id: Word | None = None
    after: After = ""
    limit: Limit = 100


def changed(row: R, change: Struct, now: str) -> R:
    """A row with what a change says, and the moment; the row itself where nothing differs.

    Args:
        change: its fields are called as the row's; those that are UNSET say nothing. `id` names
            the row.
    """
    new = {
        name: value
        for name in change.__struct_fields__
        if name != "id"
        and (value := getattr(change, name)) is not UNSET
        and value != getattr(row, name)
    }
    return structs.replace(row, **new, updated_at=now) if new else row


def next_of(found: Sequence[Any], limit: int) -> str | None:
    """The `after` of the next page; None where this was the last."""
    return found[-1].id if len(found) == limit else None
