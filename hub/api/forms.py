"""A form with one file (RFC 7578), taken apart as it comes: the file goes on, the fields are kept.

The parser is python-multipart's. What it leaves to others is bounded here: the number of parts, the
length of a field, the head of a part.
"""

from collections.abc import Callable
from email.message import Message
from urllib.parse import unquote

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from hub.protocol.errors import BadFrame, InvalidParams, invalid

_PARTS = 16
_FIELD_BYTES = 1024
_BOUNDARY_BYTES = 70
"""Longest boundary (RFC 2046 section 5.1.1)."""


class Form:
    """One form.

    Args:
        content_type: of the request, with its boundary.
        write: takes the file's content.

    Attributes:
        file_name, file_type: of the file, as its part says; None before it came.

    Raises:
        BadFrame: there is no boundary.
    """

    def __init__(self, content_type: str, write: Callable[[bytearray], object]) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not 1 <= len(boundary) <= _BOUNDARY_BYTES:
            raise BadFrame("multipart/form-data needs a boundary of 1 to 70 characters")
        self.file_name: str | None = None
        self.file_type: str | None = None
        self._write = write
        self._fields: dict[str, str] = {}
        self._parts = 0
        self._files = 0
        self._ended = False
        self._head: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._field = ""
        self._in_file = False
        self._text = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part,
                "on_header_field": self._on_header_name,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._on_head,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def feed(self, data: bytearray) -> None:
        """Take the next piece.

        Raises:
            BadFrame: it is no form.
            InvalidParams: a field is too long, comes twice, or there is a second file.
        """
        try:
            self._parser.write(bytes(data))
        except MultipartParseError as error:
            raise BadFrame(f"the body is no multipart/form-data: {error}") from None

    def end(self) -> dict[str, str]:
        """The fields, by name, when all of it came.

        Raises:
            BadFrame: it is not whole.
            InvalidParams: there is no file in it.
        """
        if not self._ended:
            raise BadFrame("the form is not whole: its last boundary is missing")
        if not self._files:
            raise invalid(InvalidParams, "/file", "the form has no file")
        return self._fields

    # ── what the parser finds ────────────────────────────────────────────────────────────────────

    def _on_part(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise BadFrame(f"a form has {_PARTS} parts at most")
        self._head = {}
        self._text = bytearray()

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._head[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_head(self) -> None:
        _, options = parse_options_header(self._head.get(b"content-disposition"))
        self._field = _text(options.get(b"name", b""))
        self._in_file = b"filename" in options
        if not self._in_file:
            return
        self._files += 1
        if self._files > 1:
            raise invalid(InvalidParams, f"/{_pointer(self._field)}", "one file is taken at a time")
        self.file_name = _text(options[b"filename"])
        self.file_type = _text(self._head.get(b"content-type", b"")) or None

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._write(bytearray(data[start:end]))
            return
        self._text += data[start:end]
        if len(self._text) > _FIELD_BYTES:
            message = f"a field of a form has {_FIELD_BYTES} bytes at most; a file has a filename"
            raise invalid(InvalidParams, f"/{_pointer(self._field)}", message)

    def _on_part_end(self) -> None:
        if self._in_file:
            return
        if self._field in self._fields:
            raise invalid(InvalidParams, f"/{_pointer(self._field)}", "is given twice")
        self._fields[self._field] = _text(self._text)

    def _on_end(self) -> None:
        self._ended = True


def file_name_of(plain: str | None, disposition: str | None) -> str | None:
    """The name of a file that is a whole body.

    Args:
        plain: `X-File-Name`, percent-encoded UTF-8, because a header field has no other letters.
        disposition: `Content-Disposition` (RFC 6266).
    """
    if plain is not None:
        return unquote(plain)
    if disposition is None:
        return None
    message = Message()
    message["content-disposition"] = disposition
    return message.get_filename()


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode(errors="replace")


def _pointer(name: str) -> str:
    """A name as a part of a JSON Pointer (RFC 6901 section 3)."""
    return name[:100].replace("~", "~0").replace("/", "~1")
