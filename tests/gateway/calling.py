"""Calls over the socket, one at a time, with what answers them."""

from typing import Any

from tests.support.ws import Socket

Frame = dict[str, Any]


async def called(
    socket: Socket, method: str, params: Frame | None = None, answer: str = "reply", **more: Any
) -> Frame:
    """One call and its answer of this type."""
    ref = f"ref-{method}"[:64]
    frame = {"type": "call", "ref": ref, "method": method} | more
    if params is not None:
        frame["params"] = params
    await socket.send(frame)
    found = await socket.next(type=answer)
    assert found["ref"] == ref
    return found


async def result(socket: Socket, method: str, params: Frame | None = None) -> Any:
    return (await called(socket, method, params))["result"]


async def refusal(socket: Socket, method: str, params: Frame | None = None, **more: Any) -> Frame:
    return await called(socket, method, params, "error", **more)


async def alive(socket: Socket) -> None:
    await socket.send({"type": "ping", "ref": "alive"})
    assert (await socket.next(type="pong"))["ref"] == "alive"
