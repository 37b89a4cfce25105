"""What goes into a conversion, and what comes out of it."""

from typing import Any

from msgspec import Struct

from hub.protocol.frames import Format as Format

Message = dict[str, Any] | str
"""JSON as the gateway takes it, or plain text."""


class MediaSource(Struct, frozen=True, kw_only=True):
    """Where the file of a media message is; each gateway takes what it can use of it.

    Attributes:
        url: http(s), readable by the gateway.
        id: the file's id at Meta, of an earlier upload there.
        data_base64: the file itself. A preview gives `""` to see the message's form.
        mime_type: `image/png`; guessed from the name where it is absent.
        jpeg_url: of the same picture as a JPEG, where it is a WebP; some gateways take none.
        file_name: as the customer sees it; taken from the url where it is absent.
        size: bytes, where known.
    """

    url: str | None = None
    id: str | None = None
    data_base64: str | None = None
    mime_type: str | None = None
    jpeg_url: str | None = None
    file_name: str | None = None
    size: int | None = None


class Choice(Struct, frozen=True):
    """A choice that a message offers; `number` is what a numbered text shows, from 1."""

    number: int
    id: str
    title: str
    callback_data: str | None = None


class Converted(Struct, frozen=True, kw_only=True):
    """A message for one gateway.

    Attributes:
        choices: what it offers; to be kept where replies are to be understood as numbers.
        warnings: sentences on what differs from the template, for a preview.
    """

    message: Message
    choices: list[Choice]
    warnings: list[str]
