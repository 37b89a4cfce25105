"""How a template will look at each gateway, before anything is sent."""

from typing import Annotated, Any, get_args

from msgspec import Meta, Struct

from hub.protocol.errors import FieldError, InvalidParams, invalid
from hub.templates.content import Content
from hub.templates.filling import Filled, fill, variables
from hub.whatsapp.convert import convert
from hub.whatsapp.messages import Format, MediaSource, Message
from jobs.pictures.variants import variants_of
from storage import media, templates
from storage.database import Transaction
from storage.errors import NotFound
from storage.merchant_records import MediaFile

from .command import EVERYBODY, Command, Invocation, Result
from .media import signed_url
from .params import Word
from .template_content import TemplateContent, content_of

VALUE_CHARACTERS = 4096
"""Most characters of a value: no text of a message has more. A text may name it hundreds of
times."""
VARIABLES = 1000
SHOWN_CHARACTERS = 64 * 1024
"""Most characters of a preview: a message has less, and what is answered is encoded in one turn of
the loop. A value in each of a list's texts made 350 MB of a request of 120 KB."""


class Preview(Struct, forbid_unknown_fields=True):
    """A stored template by its id, or a draft's content that need not be stored."""

    template_id: Word | None = None
    template: TemplateContent | None = None
    variables: Annotated[dict[str, Any], Meta(max_length=VARIABLES)] = {}
    format: Format | None = None
    merchant_id: Word | None = None


async def preview(call: Invocation, params: Preview) -> Result:
    """Fill a template in and convert it, as far as that goes.

    Raises:
        InvalidParams: no template is named, or two are, or a value is too long.
        NotFound: there is no such template.
    """
    if (params.template_id is None) == (params.template is None):
        message = "name a template by template_id, or give one as template"
        raise invalid(InvalidParams, "/template_id", message)
    for name, value in params.variables.items():
        if isinstance(value, str) and len(value) > VALUE_CHARACTERS:
            pointer = f"/variables/{name.replace('~', '~0').replace('/', '~1')}"
            message = f"{len(value)} characters are more than any text may have"
            raise invalid(InvalidParams, pointer, message)

    async def read(tx: Transaction) -> tuple[Content, MediaFile | None]:
        if params.template is not None:
            content, owner = content_of(params.template), tx.scope.merchant_id
        else:
            stored = await templates.get(tx, str(params.template_id))
            content, owner = Content.of(stored), stored.merchant_id
        if content.media is None or content.media.media_id is None:
            return content, None
        try:
            file = await media.get(tx, content.media.media_id)
        except NotFound:
            return content, None
        return content, file if owner in (None, file.merchant_id) else None

    content, file = await call.read(read)
    filled = fill(content, params.variables, strict=False, most=SHOWN_CHARACTERS)
    errors = list(filled.errors)
    if file is None and content.media is not None and content.media.media_id is not None:
        errors.append(FieldError("/media/media_id", "no media has this id"))
    formats = get_args(Format) if params.format is None else (params.format,)
    source = _source(call, content, file)
    shown, warnings = _converted(filled, formats, source, errors)
    plain, _ = _converted(filled, ("text",), source, list(errors))
    return {
        "preview": shown,
        "text": plain["text"] or filled.content.joined(),
        "content": filled.content,
        "variables": variables(content),
        "missing": filled.missing,
        "warnings": warnings,
        "errors": errors,
    }


def _converted(
    filled: Filled,
    formats: tuple[Format, ...],
    source: MediaSource | None,
    errors: list[FieldError],
) -> tuple[dict[Format, Message | None], list[str]]:
    """The message for each gateway, None where there is none; what hinders one joins `errors`."""
    shown: dict[Format, Message | None] = dict.fromkeys(formats)
    warnings: dict[str, None] = {}
    for format_ in formats if not errors else ():
        try:
            converted = convert(filled, format_, media=source)
        except InvalidParams as error:
            errors.extend(each for each in error.errors if each not in errors)
            continue
        shown[format_] = converted.message
        warnings |= dict.fromkeys(converted.warnings)
    return shown, list(warnings)


def _source(call: Invocation, content: Content, file: MediaFile | None) -> MediaSource | None:
    """Where the file of a media template is; a preview shows the form of a message without it."""
    if content.media is None:
        return None
    if file is None:
        return MediaSource(url=content.media.url, data_base64="")
    url, jpeg_url = file.url, None
    if url is not None and url.startswith("/"):
        outside = call.services.settings.public_url or ""
        url = outside + signed_url(call, file.id)
        if "jpeg" in variants_of(file):
            jpeg_url = outside + signed_url(call, file.id, "jpeg")
    return MediaSource(
        url=url, data_base64="", mime_type=file.mime_type, file_name=file.original_name,
        size=file.size, jpeg_url=jpeg_url,
    )  # fmt: skip


COMMANDS = (
    Command(
        name="templates.preview", http="POST /api/templates/preview", roles=EVERYBODY,
        summary="A template as each gateway would send it, with what is missing and what is wrong",
        params=Preview, run=preview,
        answer={
            "preview": dict[Format, Message | None], "text": str, "content": Content,
            "variables": list[str], "missing": list[str], "warnings": list[str],
            "errors": list[FieldError],
        },
    ),
)  # fmt: skip
