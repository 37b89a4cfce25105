"""Short ways to say what a test of publishing needs."""

import json
from typing import Any

from hub.client import Backoff, Hub
from tests.client.fake_hub import (
    KEY,
    FakeConnection,
    FakeHub,
    Frame,
    Script,
    ack,
)

QUICK = Backoff(0.01, 0.05)
UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def client(fake: FakeHub, **options: Any) -> Hub:
    return Hub(fake.url, KEY, backoff=QUICK, **options)


def answering(*answers: Any) -> Script:
    """Answer each frame in turn; the answers are functions of the frame, the last one repeats."""

    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        count = 0
        while True:
            frame = json.loads(await connection.socket.recv())
            if "_" in frame["type"]:
                answer = answers[min(count, len(answers) - 1)](frame)
                count += 1
                if answer is not None:
                    await connection.send(answer)

    return script


def yes(frame: Frame) -> Frame:
    return ack(frame, 7)
