"""The frames that the hub writes by itself, read by a parser that is not its own."""

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from hub.protocol.websocket import text_frame


def parsed(data: bytes) -> list[Frame]:
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 65537, 1024 * 1024])
def test_a_frame_of_any_size_is_read_back(size: int) -> None:
    payload = bytes(range(97, 123)) * (size // 26 + 1)
    payload = payload[:size]
    [frame] = parsed(text_frame(payload))
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, payload)


def test_frames_can_be_joined() -> None:
    payloads = [b"x" * size for size in (0, 125, 126, 65535, 65536, 3)]
    frames = parsed(b"".join(map(text_frame, payloads)))
    assert [bytes(frame.data) for frame in frames] == payloads
