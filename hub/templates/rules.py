"""What a template must be, besides the lengths of its texts: the right members, ids and counts."""

import re
from collections.abc import Iterable, Iterator

from hub.protocol.errors import FieldError

from . import limits
from .content import Content
from .language import PLACEHOLDER

# A value must never decide whose server is asked: scheme and host stand in the template itself.
_ADDRESS = re.compile(
    r"https?://[^\s\x00-\x1f\x7f/?#{}\\@]+(?:[/?#][^\s\x00-\x1f\x7f]*)?", re.IGNORECASE
)
# As browsers and HTTP clients read them: a value must not climb out of its folder.
_CLIMBING = re.compile(r"(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\?#]|$)", re.IGNORECASE)

_USED = {
    "text": (),
    "buttons": ("button_text", "buttons"),
    "list": ("button_text", "sections"),
    "media": ("media",),
}


def structure(content: Content) -> Iterator[FieldError]:
    """The faults that no value can mend or cause."""
    for member in ("button_text", "buttons", "sections", "media"):
        if getattr(content, member) and member not in _USED[content.type]:
            yield FieldError(
                f"/{member}", f"a {content.type} template has no {member}: leave it out"
            )
    if content.type == "buttons":
        yield from _buttons(content)
    elif content.type == "list":
        yield from _list(content)
    elif content.type == "media":
        yield from _media(content)
    if content.body is None and content.type != "media":
        yield FieldError("/body", f"a {content.type} template needs a body")


def _buttons(content: Content) -> Iterator[FieldError]:
    count = len(content.buttons)
    if not 1 <= count <= limits.CHOICES:
        yield FieldError(
            "/buttons", f"there are {count} buttons; 1 to {limits.CHOICES} are allowed"
        )
    # Where they become a list, their ids become those of its rows.
    limit = limits.BUTTON_ID if count <= limits.BUTTONS else limits.ROW_ID
    yield from _ids(
        ((f"/buttons/{n}/id", button.id) for n, button in enumerate(content.buttons)), limit
    )


def _list(content: Content) -> Iterator[FieldError]:
    sections = content.sections
    if not 1 <= len(sections) <= limits.SECTIONS:
        yield FieldError(
            "/sections", f"there are {len(sections)} sections; 1 to {limits.SECTIONS} are allowed"
        )
    rows = sum(len(section.rows) for section in sections)
    if rows > limits.CHOICES:
        yield FieldError(
            "/sections", f"there are {rows} rows; at most {limits.CHOICES} are allowed in all"
        )
    for number, section in enumerate(sections):
        if not section.rows:
            yield FieldError(f"/sections/{number}/rows", "a section needs at least one row")
        if section.title is None and len(sections) > 1:
            yield FieldError(
                f"/sections/{number}/title", "where there are several sections, each needs a title"
            )
    yield from _ids(
        (
            (f"/sections/{number}/rows/{place}/id", row.id)
            for number, section in enumerate(sections)
            for place, row in enumerate(section.rows)
        ),
        limits.ROW_ID,
    )


def _ids(ids: Iterable[tuple[str, str]], limit: int) -> Iterator[FieldError]:
    seen: dict[str, str] = {}
    for pointer, id_ in ids:
        if not id_:
            yield FieldError(pointer, "the id must not be empty")
        elif id_ != id_.strip():
            yield FieldError(pointer, "the id must not begin or end with a space")
        elif len(id_) > limit:
            yield too_long(pointer, "the id", len(id_), limit)
        elif "\0" in id_:
            yield FieldError(pointer, "the character U+0000 is not allowed")
        elif PLACEHOLDER.search(id_):
            yield FieldError(pointer, "ids are sent as they are: a placeholder is not filled in")
        if (first := seen.setdefault(id_, pointer)) != pointer:
            yield FieldError(pointer, f"the id is that of {first}; each needs its own")


def _media(content: Content) -> Iterator[FieldError]:
    media = content.media
    if media is None:
        yield FieldError("/media", "a media template needs media")
        return
    if (media.url is None) == (media.media_id is None):
        yield FieldError("/media", "media has either a url or a media_id")
    if media.media_id == "":
        yield FieldError("/media/media_id", "the media_id must not be empty")
    if media.caption is not None and content.body is not None:
        yield FieldError("/body", "the body is the caption where there is none: leave one out")
    if media.url is not None and not _ADDRESS.fullmatch(PLACEHOLDER.sub("x", media.url)):
        yield FieldError("/media/url", "the address must be of the form https://host/path")
    elif media.url is not None and "{{" in media.url.split("://", 1)[1].split("/", 1)[0]:
        yield FieldError("/media/url", "placeholders may stand only after https://host/")


def climbing(address: str) -> bool:
    """Whether an address has a segment `.` or `..` in its path, which would lead elsewhere."""
    return (
        _CLIMBING.search(address.partition("://")[2].partition("?")[0].partition("#")[0])
        is not None
    )


def too_long(pointer: str, what: str, length: int, limit: int) -> FieldError:
    """A text over its limit: which, how long, and how long it may be."""
    return FieldError(pointer, f"{what} is {length} characters long; the limit is {limit}")
