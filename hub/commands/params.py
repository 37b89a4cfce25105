"""What many commands take, as both doors decode it: unknown fields are errors that name them."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""The name of a merchant, a key or a product: one line."""
Limit = Annotated[int, Meta(ge=1, le=1000)]
Word = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
"""An id, or the name of a kind, to look for."""
RowId = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        examples=["01993e5c-7a40-7000-8000-000000000000"],
    ),
]
"""The id of a new row that its maker chooses: a UUID in small letters (RFC 9562 section 4)."""
Time = Annotated[str, Meta(max_length=64, extra_json_schema={"format": "date-time"})]
"""A time as RFC 3339; see `hub.protocol.times`."""
After = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00]*$")]
"""Where a page goes on: the `next` of the page before; empty for the first."""


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


def next_of(found: Sequence[Any], limit: int) -> str | None:
    """The `after` of the next page; None where this was the last."""
    return found[-1].id if len(found) == limit else None
