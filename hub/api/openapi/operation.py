"""What an operation of REST is, whether a command answers it or a route with a door of its own."""

from typing import Any, Literal

from msgspec import Struct

from hub.protocol.codes import ErrorCode

Schema = dict[str, Any]
Access = Literal["key", "cookie", "optional", "open"]


class Answer(Struct, frozen=True):
    """An answer to what was not refused.

    Attributes:
        content: by media type what stands there: a type, the members of an object with their
            types, several of these for one of them, or None for text.
        headers: the names of the fields that it always has, of those in `headers.FIELDS`.
        may_have: the names of those that it may have.
    """

    description: str
    content: dict[str, Any]
    headers: tuple[str, ...] = ()
    may_have: tuple[str, ...] = ()


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path.

    Attributes:
        id: its name, that of the command where one answers it.
        path: with its variables in braces.
        tag: the resource.
        said: everything that may be said in path, query or body, as one Struct.
        body: what stands in the body where that is no part of `said`: a type or a schema.
        forms: schemas of bodies that are no JSON, by their media types.
        examples: bodies by what they show; empty for one that is made of the fields' examples.
        fields: the names of request header fields, of those in `headers.ASKED`.
        answers: by status.
        statuses: of HTTP's own refusals that no code has alone.
        refusals: beside those that are possible everywhere.
        access: whether it needs a credential; `cookie` is the browser's alone.
        limited: whether a rate limit counts it.
        roles: who may; None for whoever has access.
        events: the types of the events that it may record.
        makes: whether it makes a row that its answer names.
    """

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str = ""
    said: type[Struct] | None = None
    body: Any = None
    forms: dict[str, Schema] = {}
    examples: dict[str, Any] = {}
    fields: tuple[str, ...] = ()
    answers: dict[int, Answer]
    refusals: frozenset[ErrorCode] = frozenset()
    statuses: frozenset[int] = frozenset()
    access: Access = "key"
    limited: bool = True
    roles: frozenset[str] | None = None
    events: tuple[str, ...] = ()
    makes: bool = False

    @property
    def in_address(self) -> bool:
        """Whether everything is said in the address."""
        return self.method in ("GET", "DELETE")
