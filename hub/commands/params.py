"""What commands take, as both doors decode it: unknown fields are errors that name them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from hub.tokens import Role

Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""The name of a merchant or a key: one line."""
Limit = Annotated[int, Meta(ge=1, le=1000)]
Word = Annotated[str, Meta(min_length=1, max_length=256)]
"""An id, or the name of a kind, to look for."""


class Nothing(Struct, forbid_unknown_fields=True):
    """For a command that takes nothing."""


class ById(Struct, forbid_unknown_fields=True):
    id: str


class ListMerchants(Struct, forbid_unknown_fields=True):
    """`after` is the `next` of the page before."""

    after: str = ""
    limit: Limit = 100


class ListOf(ListMerchants, forbid_unknown_fields=True):
    """`merchant_id` narrows the list of an admin."""

    merchant_id: str | None = None


class NewMerchant(Struct, forbid_unknown_fields=True):
    name: Name


class NewKey(Struct, forbid_unknown_fields=True):
    role: Role
    name: Name
    merchant_id: str | None = None
    expires_at: str | None = None


class ListAudit(ListOf, forbid_unknown_fields=True):
    """`from` is the first time, `to` the one before which rows end; `after` goes on with older
    ones."""

    actor_id: Word | None = None
    action: Literal["CREATE", "UPDATE", "DELETE"] | None = None
    target_type: Word | None = None
    target_id: Word | None = None
    from_: str | None = field(default=None, name="from")
    to: str | None = None
