"""The file of a media message: its address, name and type, and whether a gateway takes it."""

from urllib.parse import unquote, urlsplit

from msgspec import Struct, structs

from hub.protocol.errors import FieldError, InvalidParams, invalid
from hub.templates import limits
from storage.merchant_records import TemplateMedia

from .messages import MediaSource

# The standard library's table reads files of the system when it is first asked.
_MIME_TYPES = {
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "txt": "text/plain",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}
_LIMITS = {"image": limits.IMAGE_BYTES, "document": limits.DOCUMENT_BYTES}


class File(Struct, frozen=True):
    """A file whose name and type are known; see `MediaSource`."""

    url: str | None
    id: str | None
    data_base64: str | None
    mime_type: str
    name: str
    jpeg_url: str | None = None

    @property
    def without_webp(self) -> "File":
        """The same picture as a JPEG where there is one; else itself."""
        if self.mime_type != "image/webp" or self.jpeg_url is None:
            return self
        name = f"{self.name.rpartition('.')[0] or self.name}.jpg"
        return structs.replace(self, url=self.jpeg_url, mime_type="image/jpeg", name=name)


def resolved(media: TemplateMedia, source: MediaSource | None) -> File:
    """Put together what the template and its caller know of a file.

    Raises:
        InvalidParams: nobody knows where it is, or it is too large for WhatsApp.
    """
    if source is None:
        if media.url is None:
            raise invalid(
                InvalidParams, "/media/media_id", "the file of this media_id was not given"
            )
        source = MediaSource(url=media.url)
    if source.size is not None and source.size > (limit := _LIMITS[media.type]):
        message = f"the {media.type} has {source.size} bytes; WhatsApp takes at most {limit}"
        raise invalid(InvalidParams, "/media", message)
    url = source.url or media.url
    name = _safe(source.file_name or _name_in(url) or media.type)
    fallback = "image/jpeg" if media.type == "image" else "application/octet-stream"
    extension = name.rpartition(".")[2].lower()
    mime_type = source.mime_type or _MIME_TYPES.get(extension, fallback)
    return File(url, source.id, source.data_base64, mime_type, name, source.jpeg_url)


def lacking(what: str) -> InvalidParams:
    """The refusal of a file that is not there in the form that a gateway needs."""
    return InvalidParams(f"/media: {what}", (FieldError("/media", what),))


def _safe(name: str) -> str:
    """A name without separators and control characters: bots may write files under it."""
    return "".join("_" if c in "/\\:" or not c.isprintable() else c for c in name)


def _name_in(url: str | None) -> str:
    """The last segment of an address, if it looks like the name of a file."""
    last = unquote(urlsplit(url or "").path.rpartition("/")[2])
    return last if "." in last.strip(".") else ""
