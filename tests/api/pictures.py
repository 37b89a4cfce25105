"""Uploads by a test: a small picture that no other test has, in each form."""

import base64
import io
import itertools
from collections.abc import Mapping
from typing import Any

from PIL import Image

from tests.support.rest import Answer, HasPort, call

UPLOAD = "/api/media/upload"
_numbers = itertools.count(1)


def fresh(format_: str = "PNG", size: tuple[int, int] = (30, 20)) -> bytes:
    """A picture that has not been made before."""
    number = next(_numbers)
    color = (number & 255, number >> 8 & 255, 7)
    out = io.BytesIO()
    # Lossless formats keep the colour; what JPEG makes of it differs by its comment.
    options: dict[str, Any] = {"comment": str(number)} if format_ == "JPEG" else {"lossless": True}
    Image.new("RGB", size, color).save(out, format_, **options)
    return out.getvalue()


async def send(
    hub: HasPort,
    key: str | None,
    picture: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, object] | None = None,
) -> Answer:
    """Upload a picture as it is."""
    lines = {"Content-Type": "image/png", **(headers or {})}
    return await call(
        hub, "POST", UPLOAD, raw=picture, key=key, headers=lines, query=query, deadline=30.0
    )


async def send_json(hub: HasPort, key: str | None, picture: bytes, **more: object) -> Answer:
    """Upload a picture as base64 in JSON."""
    body = {"file_data": base64.b64encode(picture).decode(), **more}
    return await call(hub, "POST", UPLOAD, body, key=key, deadline=30.0)


def part(name: str, content: bytes, *, file: str | None = None, kind: str | None = None) -> bytes:
    """One part of a form."""
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"'
    if file is not None:
        head += f'; filename="{file}"'
    if kind is not None:
        head += f"\r\nContent-Type: {kind}"
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


END = b"--edge--\r\n"


async def send_form(hub: HasPort, key: str | None, *parts: bytes, end: bytes = END) -> Answer:
    """Upload a form."""
    lines = {"Content-Type": "multipart/form-data; boundary=edge"}
    raw = b"".join(parts) + end
    return await call(hub, "POST", UPLOAD, raw=raw, key=key, headers=lines, deadline=30.0)


async def uploaded(hub: HasPort, key: str, picture: bytes | None = None) -> dict[str, Any]:
    """Upload a picture; its row."""
    answer = await send(hub, key, fresh() if picture is None else picture)
    assert answer.status == 201, answer.body
    media: dict[str, Any] = answer.json()["media"]
    return media
