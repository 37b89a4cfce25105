"""A customer taps on a choice: the reply of each gateway to a message of ours.

Made from the message alone, as an app does it, not from the template.
"""

from __future__ import annotations

import json
import re
from typing import Any

from hub.whatsapp.messages import Format


def offered(message: Any, format_: Format) -> list[tuple[str, str]]:
    """The id and title of each choice that the message shows; the id of a text is its number."""
    if isinstance(message, str):
        return [(n, title) for n, title in re.findall(r"^(\d+)\. (.+)$", message, re.MULTILINE)]
    if format_ == "cloud":
        action = message.get("interactive", {}).get("action", {})
        replies = [button["reply"] for button in action.get("buttons", [])]
        rows = [row for section in action.get("sections", []) for row in section["rows"]]
        return [(choice["id"], choice["title"]) for choice in replies + rows]
    if "viewOnceMessage" in message:
        choices = []
        interactive = message["viewOnceMessage"]["message"]["interactiveMessage"]
        for flow in interactive["nativeFlowMessage"]["buttons"]:
            parameters = json.loads(flow["buttonParamsJson"])
            if flow["name"] == "quick_reply":
                choices.append((parameters["id"], parameters["display_text"]))
            for section in parameters.get("sections", []):
                choices += [(row["id"], row["title"]) for row in section["rows"]]
        return choices
    rows = [row for section in message.get("sections", []) for row in section["rows"]]
    return [
        (button["buttonId"], button["buttonText"]["displayText"])
        for button in message.get("buttons", [])
    ] + [(row["rowId"], row["title"]) for row in rows]


def replied(message: Any, format_: Format, id_: str, title: str) -> Any:
    """What the gateway hands over when the customer taps on this choice, or answers its number."""
    if isinstance(message, str):
        return {"from": "34600111222@c.us", "type": "chat", "body": id_}
    if format_ == "cloud":
        kind = "button_reply" if message["interactive"]["type"] == "button" else "list_reply"
        return {
            "from": "34600111222", "id": "wamid.x", "timestamp": "1764288000",
            "type": "interactive",
            "context": {"from": "15550001111", "id": "wamid.y"},
            "interactive": {"type": kind, kind: {"id": id_, "title": title}},
        }  # fmt: skip
    if "viewOnceMessage" in message:
        flow = message["viewOnceMessage"]["message"]["interactiveMessage"]["nativeFlowMessage"]
        response: dict[str, Any] = {
            "interactiveResponseMessage": {
                "body": {"text": title, "format": "DEFAULT"},
                "nativeFlowResponseMessage": {
                    "name": flow["buttons"][0]["name"],
                    "paramsJson": json.dumps({"id": id_}),
                    "version": 3,
                },
            }
        }
    elif "buttons" in message:
        response = {
            "buttonsResponseMessage": {
                "selectedButtonId": id_, "selectedDisplayText": title, "type": "DISPLAY_TEXT",
            }
        }  # fmt: skip
    else:
        response = {
            "listResponseMessage": {
                "title": title,
                "listType": "SINGLE_SELECT",
                "singleSelectReply": {"selectedRowId": id_},
            }
        }
    return {"key": {"remoteJid": "34600111222@s.whatsapp.net", "id": "3EB0"}, "message": response}
