"""Answers to a page's calls that the tests make up, where a real hub would need days to earn them.

Everything else goes to the hub and comes from it as it is.
"""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Page, WebSocketRoute

Answer = dict[str, Any]

_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0",
    None,
    "Python/3.11 websockets/17.4",
)
_ADDRESSES = ("10.0.0.4", "2001:db8:85a3:1234:5678:8a2e:370:7334", "127.0.0.1")
_DOORS = ("websocket", "websocket", "sse", "ndjson", "poll")
_NAMES = ("till", "a kitchen display with quite a long name", "anna", "screen", "bootstrap")
_ROLES = ("bot", "bot", "merchant", "viewer", "admin")
_STATES = ("live", "replaying", "stalled", "idle")
_TYPES = (None, ["order_*", "payment_received"], ["custom_" + "long_" * 20, "message_*", "bot_*"])


def ago(seconds: float) -> str:
    stamp = datetime.now(UTC) - timedelta(seconds=seconds)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session(number: int) -> Answer:
    """One connection; the numbers go through every role, door, state, filter and size of value."""
    state = _STATES[number % len(_STATES)]
    lag = {"replaying": 13 * number**2, "stalled": 7 * number}.get(state, 0)
    role = _ROLES[number % len(_ROLES)]
    return {
        "id": f"s-{number:04}", "role": role, "name": f"{_NAMES[number % 5]} {number}",
        "key_id": f"k-{number}", "merchant_id": None if role == "admin" else "m" * 36,
        "door": _DOORS[number % 5], "address": _ADDRESSES[number % 3],
        "agent": _AGENTS[number % 3], "connected_at": ago(5 + number**3), "state": state,
        "types": _TYPES[number % 3], "subjects": ["order/*"] if number % 4 == 0 else None,
        "cursor": 104_233 - lag, "lag": lag, "bytes_in": 7**(number % 12),
        "bytes_out": 9**(number % 12), "published": number * 31 if role == "bot" else 0,
        "expires_at": ago(-3600 * number) if number % 3 == 0 else None,
    }  # fmt: skip


def health(count: int, *, failing: bool = False) -> Answer:
    """A busy hub's report, the `count`-th of a run."""
    detail = "the database does not answer: disk I/O error" if failing else "SQLite, WAL"
    offset = 104_233 + 700 * count
    return {
        "status": "unavailable" if failing else "ready", "version": "0.4.0",
        "started_at": "2026-11-20T08:00:00.000Z", "uptime_seconds": 51_234.5 + 2 * count,
        "checks": [
            {"name": "database", "ok": not failing, "detail": detail, "ms": 0.42},
            {"name": "disk", "ok": True, "detail": "31.2 GB free", "ms": 0.05},
        ],
        "log": {"epoch": "e" * 32, "offset": offset, "oldest": 1, "ring_first": offset - 999,
                "ring_size": 1000, "backlog": 3},
        "connections": {"total": 19_400, "limit": 20_000, "lagging": 7,
                        "by_role": {"admin": 2, "merchant": 40, "viewer": 112, "bot": 19_246},
                        "by_door": {"websocket": 19_366, "sse": 20, "ndjson": 4, "poll": 10}},
        "traffic": {"events_in": offset, "events_out": offset * 40, "bytes_out": offset * 12_800,
                    "ring_replays": 311, "database_replays": 12, "commits": 70 * count,
                    "commit_ms_last": 1.84, "group_events_last": 14,
                    "closes": {"0": 4, "1000": 311, "1006": 17, "4001": 2, "4004": 1, "4177": 1}},
        "process": {"rss_bytes": 98_234_000, "cpu_seconds": 311 + 0.23 * count,
                    "open_files": 19_500, "open_files_limit": 1_048_576, "loop_lag_ms": 0.31,
                    "disk_free_bytes": None},
    }  # fmt: skip


_EDITORS = (
    {"id": "k-admin", "role": "admin", "name": None},
    {"id": "k-anna", "role": "merchant", "name": "anna from the front desk, evening shift"},
    {"id": None, "role": "hub", "name": None},
    {"id": "0199" + "a" * 32, "role": "bot", "name": "till"},
)
_TEMPLATE = {
    "id": "t-1", "name": "order_confirmation", "language": "en", "status": "draft", "version": 3,
    "body": "Thank you! Your order {{order_id}} of {{amount}} is on its way.", "footer": None,
    "buttons": [{"id": "track", "label": "Track"}, {"id": "help", "label": "Help"}],
    "updated_at": "2026-11-22T10:00:00.000Z",
}  # fmt: skip
_TEMPLATE_LATER = _TEMPLATE | {
    "status": "active", "version": 4, "footer": "Chino's Coffee", "body": "Thanks. " * 60,
    "buttons": [{"id": "track", "label": "Track my parcel"}], "updated_at": "2026-11-22T11:00:00Z",
}  # fmt: skip
_KEY = {"id": "k-7", "role": "bot", "name": "till-1 <b>by the door</b>", "revoked_at": None,
        "version": 1}  # fmt: skip
_STATES_OF: tuple[tuple[str, Answer | None, Answer | None], ...] = (
    ("template", _TEMPLATE, _TEMPLATE_LATER),
    ("key", _KEY, _KEY | {"revoked_at": "2026-11-22T10:00:00.000Z", "version": 2}),
    ("key", None, _KEY),
    ("product", {"id": "p", "name": "Roasted coffee", "price": 450},
     {"id": "p", "name": "Roasted coffee", "price": 500}),
    ("webhook", {"id": "w", "url": "https://" + "long-name-of-a-host." * 12 + "example/hook",
                  "is_active": True}, None),
    ("custom_thing", {"id": "c", "note": "x" * 600}, {"id": "c", "note": ""}),
)  # fmt: skip


def change(number: int) -> Answer:
    """A row of the audit; the numbers go through every action, actor and size of value."""
    kind, before, after = _STATES_OF[number % len(_STATES_OF)]
    fields = dict.fromkeys((*(before or {}), *(after or {})))
    changes = [
        {"field": name, "before": (before or {}).get(name), "after": (after or {}).get(name)}
        for name in fields
        if (before or {}).get(name) != (after or {}).get(name)
    ]
    return {
        "id": f"0199{10_000_000 + number:08}-aaaa-7000-8000-000000000000",
        "merchant_id": "m" * 36 if number % 5 else None, "actor": _EDITORS[number % len(_EDITORS)],
        "action": "CREATE" if before is None else "DELETE" if after is None else "UPDATE",
        "target_type": kind, "target_id": f"0199c0de-0000-7000-8000-{number:012}",
        "before": before, "after": after, "changes": changes, "address": _ADDRESSES[number % 3],
        "agent": _AGENTS[number % 3], "created_at": ago(3 + 40 * (120 - number) ** 2),
    }  # fmt: skip


class Between:
    """Put before a page's socket by `await between.before(page)`.

    Attributes:
        sessions: what `sessions.list` answers beside the page's own connection, in one page.
        changes: what `audit.list` answers, newest first, in pages.
        failing: whether `health.show` reports a check that fails.
        refusal: what every call is refused with, if anything: code, message, retry_after.
        silent: whether calls are not answered at all.
    """

    def __init__(self) -> None:
        self.sessions: list[Answer] = [session(number) for number in range(1, 30)]
        self.changes: list[Answer] = [change(number) for number in range(120, 0, -1)]
        self.failing = False
        self.refusal: Answer | None = None
        self.silent = False
        self._own = ""
        self._reports = itertools.count(1)

    async def before(self, page: Page) -> None:
        await page.route_web_socket("**/ws*", self._route)

    def _route(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def to_hub(message: str | bytes) -> None:
            frame = json.loads(message)
            if frame["type"] != "call":
                server.send(message)
            elif not self.silent:
                socket.send(json.dumps(self._answer(frame)))

        def to_page(message: str | bytes) -> None:
            frame = json.loads(message)
            if frame["type"] == "connected":
                self._own = frame["session"]
            socket.send(message)

        socket.on_message(to_hub)
        server.on_message(to_page)

    def _answer(self, call: Answer) -> Answer:
        if self.refusal is not None:
            return {"type": "error", "ref": call["ref"], **self.refusal}
        if call["method"] == "health.show":
            result = health(next(self._reports), failing=self.failing)
        elif call["method"] == "audit.list":
            result = self._audit(call["params"])
        elif call["method"] == "keys.list":
            result = {"keys": [], "count": 0, "next": None}
        else:
            own = session(0) | {"id": self._own, "role": "admin", "merchant_id": None}
            listed = [own, *self.sessions]
            result = {"sessions": listed, "count": len(listed), "next": None}
        return {"type": "reply", "ref": call["ref"], "result": result, "epoch": "e", "offset": 1}

    def _audit(self, params: Answer) -> Answer:
        older = [row for row in self.changes if row["id"] < params.get("after", "~")]
        page = older[: params["limit"]]
        return {
            "audit": page, "count": len(page),
            "next": page[-1]["id"] if len(older) > len(page) else None,
        }  # fmt: skip
