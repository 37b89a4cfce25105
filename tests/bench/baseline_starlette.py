"""Fan-out as people write it on Starlette: for every event, `send_text` to every socket.

It stores nothing and acknowledges nothing. Its frames have the fields of the hub's.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

MERCHANT, BOT = str(uuid.uuid4()), str(uuid.uuid4())

subscribers: set[WebSocket] = set()
last_offset = 0


async def subscribe(socket: WebSocket) -> None:
    await socket.accept()
    subscribers.add(socket)
    await socket.send_text('{"type":"connected"}')
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        subscribers.discard(socket)


async def publish(socket: WebSocket) -> None:
    global last_offset
    await socket.accept()
    await socket.send_text('{"type":"connected"}')
    try:
        while True:
            event = await socket.receive_json()
            last_offset += 1
            text = json.dumps(
                {
                    "type": event["type"],
                    "id": str(uuid.uuid4()),
                    "offset": last_offset,
                    "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    "merchant_id": MERCHANT,
                    "source": f"bot:{BOT}",
                    "data": event["data"],
                },
                separators=(",", ":"),
            )
            for subscriber in list(subscribers):
                await subscriber.send_text(text)
    except WebSocketDisconnect:
        pass


app = Starlette(routes=[WebSocketRoute("/sub", subscribe), WebSocketRoute("/pub", publish)])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
