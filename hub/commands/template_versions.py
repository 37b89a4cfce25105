"""What templates were: every change of one is a version, which is read, compared and restored."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, field, structs

from hub.protocol.errors import Conflict, InvalidParams
from hub.stream.waiting import WriteScope
from storage import templates
from storage.database import Transaction
from storage.errors import NotFound
from storage.merchant_records import Template, TemplateVersion

from .audit import Change, difference
from .command import EVERYBODY, OPERATORS, Command, Invocation, Result
from .params import PAGE, ById, Limit
from .template_content import checked
from .templates import TABLE, read_to_change, write

Number = Annotated[int, Meta(ge=1, lt=2**31)]
"""The number of a version."""
NumberAfter = Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,8})?(?!\n)$")]
CONTENT = (
    "name", "description", "type", "language", "header", "body", "footer", "button_text",
    "buttons", "sections", "media", "variables", "example_payload",
)  # fmt: skip
"""What a version keeps of a template beside its status."""


class ListVersions(ById, forbid_unknown_fields=True):
    after: NumberAfter = ""
    limit: Limit = 100


class VersionOf(ById, forbid_unknown_fields=True):
    number: Number


class VersionPair(ById, forbid_unknown_fields=True):
    """Two versions of one template."""

    from_: Number = field(name="from")
    to: Number


async def versions(call: Invocation, params: ListVersions) -> Result:
    """A page of what a template was, newest first."""
    before = int(params.after) if params.after else None
    limit = min(params.limit, PAGE)

    async def read(tx: Transaction) -> list[TemplateVersion]:
        await templates.get(tx, params.id)
        return await templates.versions(tx, params.id, before, limit)

    found = await call.read(read)
    next_ = str(found[-1].version) if len(found) == limit else None
    return {"versions": found, "count": len(found), "next": next_}


async def version(call: Invocation, params: VersionOf) -> Result:
    return {"version": await call.read(lambda tx: _version(tx, params.id, params.number))}


async def diff(call: Invocation, params: VersionPair) -> Result:
    """What differs between two versions, field by field."""

    async def read(tx: Transaction) -> list[Change]:
        before = await _version(tx, params.id, params.from_, "/from")
        after = await _version(tx, params.id, params.to, "/to")
        return difference(_fields(before), _fields(after))

    return {"changes": await call.read(read)}


async def _version(
    tx: Transaction, id_: str, number: int, pointer: str = "/number"
) -> TemplateVersion:
    await templates.get(tx, id_)
    try:
        return await templates.version(tx, id_, number)
    except NotFound:
        raise NotFound(f"{pointer}: the template has no version {number}") from None


def _fields(kept: TemplateVersion) -> dict[str, Any]:
    return {name: msgspec.to_builtins(getattr(kept, name)) for name in (*CONTENT, "status")}


async def restore(call: Invocation, params: VersionOf) -> Result:
    """Write what a template was in a version as its next one; its status stays.

    Raises:
        Conflict: what it was breaks a rule of today, or its name belongs to another template.
    """

    async def work(scope: WriteScope) -> Result:
        template = await read_to_change(call, scope, params.id)
        kept = await _version(scope.tx, params.id, params.number)
        old = structs.replace(template, **{name: getattr(kept, name) for name in CONTENT})
        try:
            return await write(call, scope, template, checked(old))
        except InvalidParams as error:
            message = f"version {params.number} cannot be restored: {error.message}"
            raise Conflict(message, error.errors) from None

    return await call.commit(work)


COMMANDS = (
    Command(
        name="templates.versions", http="GET /api/templates/{id}/versions", roles=EVERYBODY,
        summary="What a template was in each of its versions, newest first",
        params=ListVersions, run=versions, table=TABLE,
        answer={"versions": list[TemplateVersion], "count": int, "next": str | None},
    ),
    Command(
        name="templates.version", http="GET /api/templates/{id}/versions/{number}",
        roles=EVERYBODY, summary="What a template was in one of its versions",
        params=VersionOf, run=version, answer={"version": TemplateVersion}, table=TABLE,
    ),
    Command(
        name="templates.diff", http="GET /api/templates/{id}/diff", roles=EVERYBODY,
        summary="The fields that differ between two versions of a template",
        params=VersionPair, run=diff, answer={"changes": list[Change]}, table=TABLE,
    ),
    Command(
        name="templates.restore", http="POST /api/templates/{id}/versions/{number}/restore",
        roles=OPERATORS, summary="Write what a template was in a version as its next one",
        params=VersionOf, run=restore, answer={"template": Template}, table=TABLE,
        message="The template says again what it said then.",
        events=("template_updated",), versioned=True,
    ),
)  # fmt: skip
