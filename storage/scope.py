"""For whom a unit of work runs, and the one place that binds the merchant in SQL."""

from typing import Protocol

from msgspec import Struct

EVERY_MERCHANT = "*"
"""How the databases write a scope of every merchant; no merchant's id is this."""


class Scope(Struct, frozen=True):
    """Whose rows a unit of work may touch, and who answers for it in the audit.

    Attributes:
        merchant_id: the only merchant whose rows there are, or None for every merchant's.
        actor_id: the id of the key that acts; None for the hub itself.
        actor_role: `admin`, `merchant`, `viewer` or `bot`, the role of that key; else `hub`.
        address, agent: from where it acts, as far as that is known.
    """

    merchant_id: str | None
    actor_id: str | None = None
    actor_role: str = "hub"
    address: str | None = None
    agent: str | None = None

    @property
    def bound(self) -> str:
        """The merchant's id as the databases know it."""
        return EVERY_MERCHANT if self.merchant_id is None else self.merchant_id


HUB = Scope(None)
"""The hub itself, for every merchant: the log, start-up, authentication, maintenance."""


class Scoped(Protocol):
    """A transaction, as far as its scope goes."""

    @property
    def scope(self) -> Scope: ...


def scoped(tx: Scoped, prefix: str = "", column: str = "merchant_id") -> tuple[str, list[str]]:
    """The condition on the merchant that every query of a tenant's table carries.

    Args:
        prefix: the table's alias with its dot, where the query has several tables.
        column: where the table has the merchant's id.

    Returns:
        SQL that is true for the rows of the transaction's scope, and its parameters.
    """
    if tx.scope.merchant_id is None:
        return "TRUE", []
    return f"{prefix}{column} = ?", [tx.scope.merchant_id]
