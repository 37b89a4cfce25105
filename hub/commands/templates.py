"""Templates: texts, buttons, lists and media that a merchant sends again and again.

Whoever belongs to a merchant reads them; its operators write them. What a template may say is the
rule of `hub.templates`; here it is asked, and every fault is told at once.
"""

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field, structs

from hub.protocol.errors import Conflict, FieldError, HubError, InvalidParams, invalid
from hub.protocol.ids import uuid7
from hub.stream.waiting import WriteScope
from hub.templates.content import Content
from hub.templates.filling import check, variables
from storage import media, templates
from storage.database import Transaction
from storage.errors import NotFound
from storage.merchant_records import (
    Button,
    Section,
    Template,
    TemplateMedia,
    TemplateStatus,
    TemplateType,
    TemplateVersion,
)
from storage.table import encode_json

from .audit import Change, difference
from .command import EVERYBODY, OPERATORS, Command, Invocation, Result
from .params import ById, Limit, ListOf, RowId, Word, next_of

T = TypeVar("T")

TemplateName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{3,50}(?!\n)$", examples=["order_ready"])]
Line = Annotated[str, Meta(max_length=1024, pattern=r"^[^\x00]*$")]
"""A short text. The limits of WhatsApp are lower, but count placeholders by what stands in them."""
Paragraph = Annotated[str, Meta(max_length=16384, pattern=r"^[^\x00]*$")]
Description = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")]
Language = Annotated[
    str, Meta(max_length=16, pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*(?!\n)$")
]
"""As WhatsApp names languages: `en`, `pt_BR`."""
Number = Annotated[int, Meta(ge=1, lt=2**31)]
"""The number of a version."""
NumberAfter = Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,8})?(?!\n)$")]
ENTRIES = 10
"""Most buttons, sections, and rows of a section."""
PAYLOAD_CHARACTERS = 8192
"""Most characters of `example_payload` as JSON."""

CONTENT = (
    "name", "description", "type", "language", "header", "body", "footer", "button_text",
    "buttons", "sections", "media", "variables", "example_payload",
)  # fmt: skip
"""What a version keeps of a template beside its status."""
_REACHED_FROM: dict[TemplateStatus, frozenset[TemplateStatus]] = {
    "active": frozenset({"draft", "archived"}),
    "archived": frozenset({"draft", "active"}),
    "draft": frozenset(),
}
"""From where a status is reached. Nothing becomes a draft again: it may have been sent."""


# ── what is said ─────────────────────────────────────────────────────────────────────────────────


class ButtonContent(Struct, forbid_unknown_fields=True):
    """A reply button; `id` comes back when it is tapped."""

    id: Line
    label: Line
    callback_data: Line | None = None


class RowContent(Struct, forbid_unknown_fields=True):
    """A choice of a list; `id` comes back when it is chosen."""

    id: Line
    title: Line
    description: Line | None = None


class SectionContent(Struct, forbid_unknown_fields=True):
    """Choices of a list under one title."""

    rows: Annotated[list[RowContent], Meta(max_length=ENTRIES)]
    title: Line | None = None


class MediaContent(Struct, forbid_unknown_fields=True):
    """A picture or a document, by its address or by the id of an uploaded one."""

    type: Annotated[str, Meta(pattern="^(image|document)(?!\n)$")]
    url: Paragraph | None = None
    media_id: Word | None = None
    caption: Paragraph | None = None


Buttons = Annotated[list[ButtonContent], Meta(max_length=ENTRIES)]
Sections = Annotated[list[SectionContent], Meta(max_length=ENTRIES)]


class TemplateContent(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a template says; `{{name}}` stands for a value that comes when it is sent."""

    type: TemplateType
    header: Line | None = None
    body: Paragraph | None = None
    footer: Line | None = None
    button_text: Line | None = None
    buttons: Buttons | None = None
    sections: Sections | None = None
    media: MediaContent | None = None


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
    description: Description | None | UnsetType = UNSET
    type: TemplateType | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    header: Line | None | UnsetType = UNSET
    body: Paragraph | None | UnsetType = UNSET
    footer: Line | None | UnsetType = UNSET
    button_text: Line | None | UnsetType = UNSET
    buttons: Buttons | None | UnsetType = UNSET
    sections: Sections | None | UnsetType = UNSET
    media: MediaContent | None | UnsetType = UNSET
    example_payload: dict[str, Any] | None | UnsetType = UNSET


class ListTemplates(ListOf, forbid_unknown_fields=True):
    type: TemplateType | None = None
    status: TemplateStatus | None = None


class ListVersions(ById, forbid_unknown_fields=True):
    after: NumberAfter = ""
    limit: Limit = 100


class VersionOf(ById, forbid_unknown_fields=True):
    number: Number


class Versions(ById, forbid_unknown_fields=True):
    """Two versions of one template."""

    from_: Number = field(name="from")
    to: Number


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


async def list_(call: Invocation, params: ListTemplates) -> Result:
    """A page of templates by id."""

    async def read(tx: Transaction) -> list[Template]:
        return await templates.page(
            tx, params.after, params.limit, type_=params.type, status=params.status
        )

    found = await call.read(read)
    return {"templates": found, "count": len(found), "next": next_of(found, params.limit)}


async def get(call: Invocation, params: ById) -> Result:
    return {"template": await call.read(lambda tx: templates.get(tx, params.id))}


async def versions(call: Invocation, params: ListVersions) -> Result:
    """A page of what a template was, newest first."""
    before = int(params.after) if params.after else None

    async def read(tx: Transaction) -> list[TemplateVersion]:
        await templates.get(tx, params.id)
        return await templates.versions(tx, params.id, before, params.limit)

    found = await call.read(read)
    next_ = str(found[-1].version) if len(found) == params.limit else None
    return {"versions": found, "count": len(found), "next": next_}


async def version(call: Invocation, params: VersionOf) -> Result:
    return {"version": await call.read(lambda tx: _version(tx, params.id, params.number))}


async def diff(call: Invocation, params: Versions) -> Result:
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
    return {
        name: msgspec.to_builtins(getattr(kept, name)) for name in (*CONTENT, "status")
    }


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


async def create(call: Invocation, params: NewTemplate) -> Result:
    """Make a draft.

    Raises:
        InvalidParams: what it says breaks a rule; `errors` names every fault.
        Conflict: the merchant has a template of this name.
    """
    made = Template(
        id=params.id or uuid7(), merchant_id=call.merchant_id, name=params.name,
        description=params.description, language=params.language, variables=[],
        example_payload=params.example_payload, created_by=call.actor.key_id,
        created_at=call.now, updated_at=call.now, **_content(params),
    )  # fmt: skip
    template = _checked(made)
    if params.variables is not None and {*params.variables} != {*template.variables}:
        message = f"these follow from the text, and are {template.variables}; leave them out"
        raise invalid(InvalidParams, "/variables", message)

    async def work(scope: WriteScope) -> Result:
        await _check_references(scope.tx, template)
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
    given = _given(params)

    async def work(scope: WriteScope) -> Result:
        template = await templates.get(scope.tx, params.id)
        return await _write(call, scope, template, _checked(structs.replace(template, **given)))

    return await call.commit(work)


async def restore(call: Invocation, params: VersionOf) -> Result:
    """Write what a template was in a version as its next one; its status stays.

    Raises:
        Conflict: what it was breaks a rule of today, or its name belongs to another template.
    """

    async def work(scope: WriteScope) -> Result:
        template = await templates.get(scope.tx, params.id)
        kept = await _version(scope.tx, params.id, params.number)
        old = structs.replace(template, **{name: getattr(kept, name) for name in CONTENT})
        try:
            return await _write(call, scope, template, _checked(old))
        except InvalidParams as error:
            message = f"version {params.number} cannot be restored: {error.message}"
            raise Conflict(message, error.errors) from None

    return await call.commit(work)


async def activate(call: Invocation, params: ById) -> Result:
    """Let a template be sent.

    Raises:
        Conflict: it breaks a rule; `errors` names every fault, by pointers into the template.
    """

    async def work(scope: WriteScope) -> Result:
        template = await templates.get(scope.tx, params.id)
        try:
            await _check_references(scope.tx, _checked(template), ready=True)
        except InvalidParams as error:
            raise Conflict(f"it cannot be sent: {error.message}", error.errors) from None
        return await _set_status(call, scope, template, "active")

    return await call.commit(work)


async def archive(call: Invocation, params: ById) -> Result:
    """Let a template be sent no longer; it can be activated again."""

    async def work(scope: WriteScope) -> Result:
        template = await templates.get(scope.tx, params.id)
        return await _set_status(call, scope, template, "archived")

    return await call.commit(work)


async def delete(call: Invocation, params: ById) -> Result:
    """Remove a template with all its versions."""

    async def work(scope: WriteScope) -> Result:
        template = await templates.get(scope.tx, params.id)
        call.check_version(template.version)
        await templates.delete(scope.tx, template.id, template.version)
        _record(call, scope, "template_deleted", template)
        return {"id": template.id}

    return await call.commit(work)


async def _set_status(
    call: Invocation, scope: WriteScope, template: Template, status: TemplateStatus
) -> Result:
    if template.status != status and template.status not in _REACHED_FROM[status]:
        message = f"a template that is {template.status} does not become {status}"
        raise Conflict(message)
    return await _write(call, scope, template, structs.replace(template, status=status))


async def _write(
    call: Invocation, scope: WriteScope, template: Template, changed: Template
) -> Result:
    """Write a template as it is to be; nothing happens where it is that already."""
    call.check_version(template.version)
    if changed == template:
        return {"template": template}
    if changed.media != template.media:
        await _check_references(scope.tx, changed)
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


# ── checking ─────────────────────────────────────────────────────────────────────────────────────


def _content(said: TemplateContent) -> dict[str, Any]:
    """What is said as the columns of a template."""
    return {
        "type": said.type,
        "header": said.header or None,
        "body": said.body or None,
        "footer": said.footer or None,
        "button_text": said.button_text or None,
        "buttons": _as(list[Button], said.buttons),
        "sections": _as(list[Section], said.sections),
        "media": _as(TemplateMedia, said.media),
    }


_COLUMNS: dict[str, Any] = {
    "buttons": list[Button], "sections": list[Section], "media": TemplateMedia,
}  # fmt: skip


def _given(params: UpdateTemplate) -> dict[str, Any]:
    """The columns that an update names, as they are to be."""
    given: dict[str, Any] = {}
    for name in structs.asdict(params):
        value = getattr(params, name)
        if value is UNSET or name == "id":
            continue
        if name in _COLUMNS:
            value = _as(_COLUMNS[name], value)
        given[name] = "" if name == "description" and value is None else value
        if name in ("header", "body", "footer", "button_text"):
            given[name] = value or None
    return given


def _as(kind: Any, value: Any) -> Any:
    """A part of a template as it is stored; None where it is empty."""
    return msgspec.convert(msgspec.to_builtins(value), kind) if value else None


def _checked(template: Template) -> Template:
    """A template with its variables.

    Raises:
        InvalidParams: it breaks a rule; `errors` names every fault.
    """
    content = Content.of(template)
    faults = [*check(content), *_payload_faults(template.example_payload)]
    if faults:
        raise _refusal(faults)
    return structs.replace(template, variables=variables(content))


def _payload_faults(payload: dict[str, Any] | None) -> list[FieldError]:
    if payload is None:
        return []
    try:
        size = len(encode_json(payload))
    except ValueError as error:
        return [FieldError("/example_payload", str(error))]
    if size > PAYLOAD_CHARACTERS:
        message = f"{size} characters of JSON are more than the {PAYLOAD_CHARACTERS} allowed"
        return [FieldError("/example_payload", message)]
    return []


def _refusal(faults: list[FieldError]) -> HubError:
    return InvalidParams("; ".join(f"{f.pointer}: {f.message}" for f in faults), tuple(faults))


async def _check_name(tx: Transaction, template: Template) -> None:
    if await templates.has_name(tx, template.merchant_id, template.name):
        message = f"another template is called {template.name!r}; give this one its own name"
        raise invalid(Conflict, "/name", message)


async def _check_references(tx: Transaction, template: Template, *, ready: bool = False) -> None:
    """Check that the media that a template shows is there.

    Args:
        ready: whether it must be good enough to be sent.
    """
    if template.media is None or template.media.media_id is None:
        return
    try:
        file = await media.get(tx, template.media.media_id)
    except NotFound:
        raise invalid(InvalidParams, "/media/media_id", "no media has this id") from None
    if ready and file.status == "failed":
        raise invalid(InvalidParams, "/media/media_id", "this upload has failed; take another")
