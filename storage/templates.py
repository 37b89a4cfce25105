"""The tables `message_templates` and `template_versions`."""

from collections.abc import Callable

from .database import Transaction, Value
from .merchant_records import Template, TemplateStatus, TemplateType, TemplateVersion
from .scope import scoped
from .table import Table, of_one

_TEMPLATES = Table("message_templates", Template, "template")
_VERSIONS = Table("template_versions", TemplateVersion, "version of a template")


async def get(tx: Transaction, id_: str) -> Template:
    """Raises: NotFound."""
    return await _TEMPLATES.get(tx, id_)


async def by_name(tx: Transaction, name: str) -> Template:
    """The bound merchant's template of this name; raises NotFound."""
    where, params = of_one(tx)
    return await _TEMPLATES.one(tx, f"{where} AND name = ?", (*params, name), f"the name {name!r}")


async def has_name(tx: Transaction, merchant_id: str, name: str) -> bool:
    """Whether a merchant of the scope has a template of this name."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT 1 FROM message_templates WHERE {where}"  # noqa: S608
        " AND merchant_id = ? AND name = ?",
        (*params, merchant_id, name),
    )
    return bool(rows)


async def page(
    tx: Transaction,
    after: str,
    limit: int,
    *,
    type_: TemplateType | None = None,
    status: TemplateStatus | None = None,
) -> list[Template]:
    """Up to `limit` templates whose id sorts after `after`, by id."""
    return await _TEMPLATES.page(tx, after, limit, {"type": type_, "status": status})


async def insert(tx: Transaction, template: Template, new_id: Callable[[], str]) -> Template:
    """Add a template, and its first version.

    Args:
        new_id: gives the id of the version.

    Raises:
        Conflict: the name is taken, or a constraint refuses the content.
    """
    await _TEMPLATES.insert(tx, template)
    await _keep_version(tx, template, new_id)
    return template


async def update(tx: Transaction, template: Template, new_id: Callable[[], str]) -> Template:
    """Write a changed template, and its next version; see `Table.update`.

    Raises:
        NotFound, Stale, Conflict.
    """
    changed = await _TEMPLATES.update(tx, template)
    await _keep_version(tx, changed, new_id)
    return changed


async def delete(tx: Transaction, id_: str, version: int | None = None) -> None:
    """Remove a template with all its versions.

    Raises:
        NotFound, Stale.
    """
    await _TEMPLATES.delete(tx, id_, version)


# ── versions ─────────────────────────────────────────────────────────────────────────────────────


async def versions(
    tx: Transaction, template_id: str, before: int | None, limit: int
) -> list[TemplateVersion]:
    """Up to `limit` versions of a template, newest first.

    Args:
        before: the version before which the page goes on; None for the newest.
    """
    where, bound = of_one(tx)
    where += " AND template_id = ?"
    params: list[Value] = [*bound, template_id]
    if before is not None:
        where += " AND version < ?"
        params.append(before)
    return await _VERSIONS.select(tx, f"{where} ORDER BY version DESC LIMIT ?", (*params, limit))


async def version(tx: Transaction, template_id: str, number: int) -> TemplateVersion:
    """One version of a template; raises NotFound."""
    where, params = of_one(tx)
    return await _VERSIONS.one(
        tx,
        f"{where} AND template_id = ? AND version = ?",
        (*params, template_id, number),
        f"the number {number}",
    )


async def _keep_version(tx: Transaction, template: Template, new_id: Callable[[], str]) -> None:
    t = template
    await _VERSIONS.insert(
        tx,
        TemplateVersion(
            id=new_id(), merchant_id=t.merchant_id, template_id=t.id, version=t.version,
            name=t.name, description=t.description, type=t.type, language=t.language,
            header=t.header, body=t.body, footer=t.footer, button_text=t.button_text,
            buttons=t.buttons, sections=t.sections, media=t.media, variables=t.variables,
            example_payload=t.example_payload, status=t.status, changed_by=tx.scope.actor_id,
            changed_at=t.updated_at,
        ),
    )  # fmt: skip
