"""Responses of unknown length to clients that know no chunks."""

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


async def run_unchunked(
    app: ASGI3Application,
    cycle: RequestResponseCycle,
    scope: Scope,
    receive: ASGIReceiveCallable,
    send: ASGISendCallable,
) -> None:
    """Run the application for one request of HTTP/1.0.

    uvicorn sends what has no Content-Length in chunks, which RFC 9112 section 6.1 forbids here:
    the end of the connection, which uvicorn closes after it, ends it instead.
    """
    unsized = False

    async def send_unchunked(message: ASGISendEvent) -> None:
        nonlocal unsized
        if message["type"] == "http.response.start":
            names = [name.lower() for name, _ in message.get("headers", ())]
            unsized = b"content-length" not in names
            if unsized:
                cycle.chunked_encoding = False
        elif unsized and message["type"] == "http.response.body":
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    await app(scope, receive, send_unchunked)
