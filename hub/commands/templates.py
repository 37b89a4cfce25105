"""Templates: texts, buttons, lists and media that a merchant sends again and again.

Whoever belongs to a merchant reads them; its operators write them. What a template may say is the
rule of `hub.templates`; here it is asked, and every fault is told at once. A template begins as a
draft, is activated to be sent, archived to be sent no longer, and activated again; nothing becomes
a draft again, since it may have been sent.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType, structs

from hub.protocol.errors import Conflict, InvalidParams, invalid
from hub.protocol.ids import uuid7
from hub.stream.waiting import WriteScope
from storage import media, templates
from storage.database import Transaction
from storage.errors import NotFound
from storage.merchant_records import Template, TemplateStatus, TemplateType

from .audit import difference
from .command import EVERYBODY, OPERATORS, Command, Invocation, Result
from .params import PAGE, ById, ListOf, RowId, Word, next_of
from .template_content import (
    Buttons,
    Description,
    Language,
    Line,
    MediaContent,
    Paragraph,
    Sections,
    TemplateContent,
    TemplateName,
    checked,
    columns,
)

# ── what is said ─────────────────────────────────────────────────────────────────────────────────


class NewTemplate(TemplateContent, forbid_unknown_fields=True, kw_only=True):
    """`variables` follow from the text: whoever gives them is told when they are others."""

    name: TemplateName
    description: Description = ""
    language: Language = "en"
    variables: Annotated[list[Line], Meta(max_length=1000)] | None = None
    example_payload: dict[str, Any] | None = None
    id: RowId | None = None
    merchant_id: Word | None = None


class UpdateTemplate(ById, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays; null clears it."""

    name: TemplateName | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    type: TemplateType | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    header: Line | UnsetType | None = UNSET
    body: Paragraph | UnsetType | None = UNSET
    footer: Line | UnsetType | None = UNSET
    button_text: Line | UnsetType | None = UNSET
    buttons: Buttons | UnsetType | None = UNSET
    sections: Sections | UnsetType | None = UNSET
    media: MediaContent | UnsetType | None = UNSET
    example_payload: dict[str, Any] | UnsetType | None = UNSET


class ListTemplates(ListOf, forbid_unknown_fields=True):
    type: TemplateType | None = None
    status: TemplateStatus | None = None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


async def list_(call: Invocation, params: ListTemplates) -> Result:
    """A page of templates by id."""
    limit = min(params.limit, PAGE)

    async def read(tx: Transaction) -> list[Template]:
        return await templates.page(
            tx, params.after, limit, type_=params.type, status=params.status
        )

    found = await call.read(read)
    return {"templates": found, "count": len(found), "next": next_of(found, limit)}


async def get(call: Invocation, params: ById) -> Result:
    return {"template": await call.read(lambda tx: templates.get(tx, params.id))}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


async def create(call: Invocation, params: NewTemplate) -> Result:
    """Make a draft.

    Raises:
        InvalidParams: what it says breaks a rule; `errors` names every fault.
        Conflict: the merchant has a template of this name.
    """
    made = Template(
        id=params.id or uuid7(), merchant_id=call.merchant_id, variables=[],
        created_by=call.actor.key_id, created_at=call.now, updated_at=call.now, **columns(params),
    )  # fmt: skip
    template = checked(made)
    if params.variables is not None and {*params.variables} != {*template.variables}:
        message = f"these follow from the text, and are {template.variables}; leave them out"
        raise invalid(InvalidParams, "/variables", message)

    async def work(scope: WriteScope) -> Result:
        await _check_media(scope.tx, template)
        await _check_name(scope.tx, template)
        await templates.insert(scope.tx, template, scope.new_id)
        _record(call, scope, "template_created", template)
        return {"template": template}

    return await call.commit(work)


async def update(call: Invocation, params: UpdateTemplate) -> Result:
    """Change what is given of a template; every change is a version of its own.

    Raises:
        InvalidParams, Conflict: see `create`.
        PreconditionFailed: it has another version than `If-Match` says.
    """
    given = columns(params)

    async def work(scope: WriteScope) -> Result:
        template = await read_to_change(call, scope, params.id)
        return await write(call, scope, template, checked(structs.replace(template, **given)))

    return await call.commit(work)


async def activate(call: Invocation, params: ById) -> Result:
    """Let a template be sent.

    Raises:
        Conflict: it breaks a rule; `errors` names every fault, by pointers into the template.
    """

    async def work(scope: WriteScope) -> Result:
        template = await read_to_change(call, scope, params.id)
        if template.status == "active":
            return await write(call, scope, template, template)
        try:
            active = structs.replace(checked(template), status="active")
            return await write(call, scope, template, active)
        except InvalidParams as error:
            raise Conflict(f"it cannot be sent: {error.message}", error.errors) from None

    return await call.commit(work)


async def archive(call: Invocation, params: ById) -> Result:
    """Let a template be sent no longer; it can be activated again."""

    async def work(scope: WriteScope) -> Result:
        template = await read_to_change(call, scope, params.id)
        return await write(call, scope, template, structs.replace(template, status="archived"))

    return await call.commit(work)


async def delete(call: Invocation, params: ById) -> Result:
    """Remove a template with all its versions."""

    async def work(scope: WriteScope) -> Result:
        template = await read_to_change(call, scope, params.id)
        await templates.delete(scope.tx, template.id, template.version)
        _record(call, scope, "template_deleted", template)
        return {"id": template.id}

    return await call.commit(work)


async def read_to_change(call: Invocation, scope: WriteScope, id_: str) -> Template:
    """A template in the version that the caller wants to change.

    Raises:
        storage.errors.NotFound: there is none.
        PreconditionFailed: it has another version than `If-Match` says.
    """
    template = await templates.get(scope.tx, id_)
    call.check_version(template.version)
    return template


async def write(
    call: Invocation, scope: WriteScope, template: Template, changed: Template
) -> Result:
    """Write a template as it is to be; nothing happens where it is that already.

    Raises:
        InvalidParams, Conflict: the media that it shows is not there, or its name is taken.
    """
    if not difference(msgspec.to_builtins(template), msgspec.to_builtins(changed)):
        return {"template": template}
    if (changed.media, changed.status) != (template.media, template.status):
        await _check_media(scope.tx, changed)
    if changed.name != template.name:
        await _check_name(scope.tx, changed)
    changed = structs.replace(changed, updated_at=call.now)
    changed = await templates.update(scope.tx, changed, scope.new_id)
    _record(call, scope, "template_updated", changed)
    return {"template": changed}


def _record(call: Invocation, scope: WriteScope, type_: str, template: Template) -> None:
    call.record(scope, type_, event_data(template), f"template/{template.id}")


def event_data(template: Template) -> dict[str, Any]:
    """What an event tells of a template."""
    return {
        "templateId": template.id, "name": template.name, "type": template.type,
        "status": template.status, "version": template.version,
    }  # fmt: skip


async def _check_name(tx: Transaction, template: Template) -> None:
    if await templates.has_name(tx, template.merchant_id, template.name):
        message = f"another template is called {template.name!r}; give this one its own name"
        raise invalid(Conflict, "/name", message)


async def _check_media(tx: Transaction, template: Template) -> None:
    """Check that what a template shows is there, and whole where it is to be sent.

    Raises:
        InvalidParams: it is not.
    """
    if template.status == "archived" or template.media is None or template.media.media_id is None:
        return
    try:
        file = await media.get(tx, template.media.media_id)
    except NotFound:
        raise invalid(InvalidParams, "/media/media_id", "no media has this id") from None
    if template.status == "active" and file.status == "failed":
        raise invalid(InvalidParams, "/media/media_id", "this upload has failed; take another")


# ── the table ────────────────────────────────────────────────────────────────────────────────────

TABLE = "message_templates"
COMMANDS = (
    Command(
        name="templates.list", http="GET /api/templates", roles=EVERYBODY,
        summary="The templates of a merchant, by id",
        params=ListTemplates, run=list_,
        answer={"templates": list[Template], "count": int, "next": str | None},
    ),
    Command(
        name="templates.get", http="GET /api/templates/{id}", roles=EVERYBODY,
        summary="One template", params=ById, run=get, answer={"template": Template}, table=TABLE,
    ),
    Command(
        name="templates.create", http="POST /api/templates", roles=OPERATORS,
        summary="Make a template, a draft at first; its variables follow from its text",
        params=NewTemplate, run=create, answer={"template": Template}, status=201,
        message="The template is made. It is a draft until it is activated.",
        events=("template_created",),
    ),
    Command(
        name="templates.update", http="PATCH /api/templates/{id}", roles=OPERATORS,
        summary="Change what is given of a template; null clears it",
        params=UpdateTemplate, run=update, answer={"template": Template}, table=TABLE,
        events=("template_updated",), versioned=True,
    ),
    Command(
        name="templates.delete", http="DELETE /api/templates/{id}", roles=OPERATORS,
        summary="Remove a template with all its versions",
        params=ById, run=delete, answer={"id": str}, table=TABLE,
        message="The template is deleted.", events=("template_deleted",), versioned=True,
    ),
    Command(
        name="templates.activate", http="POST /api/templates/{id}/activate", roles=OPERATORS,
        summary="Let a template be sent, if it breaks no rule",
        params=ById, run=activate, answer={"template": Template}, table=TABLE,
        message="The template is active.", events=("template_updated",), versioned=True,
    ),
    Command(
        name="templates.archive", http="POST /api/templates/{id}/archive", roles=OPERATORS,
        summary="Let a template be sent no longer; activating brings it back",
        params=ById, run=archive, answer={"template": Template}, table=TABLE,
        message="The template is archived.", events=("template_updated",), versioned=True,
    ),
)  # fmt: skip
