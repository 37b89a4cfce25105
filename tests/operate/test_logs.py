"""The hub's log: what is on its lines, and that no secret is, whoever wrote them."""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed

from hub.operate.logs import masking
from tests.support.hub_process import REPOSITORY, HubProcess
from tests.support.rest import call, exchange, merchant_of, new_key
from tests.support.ws import connect

ADMIN_KEY = 'the admin\'s "own" \\key\\ with/odd & characters: 100%'
METRICS_TOKEN = "a-token-for-metrics-0123456789"
WRONG = "hub_b_" + "Zz9" * 14 + "Z"
LINK = re.compile(r"#ticket=(\S+)")


def lines(log: Path) -> list[dict[str, Any]]:
    """Every line of a log; each is one JSON object with what each must have."""
    found = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for line in found:
        assert {"timestamp", "level", "logger", "event"} <= line.keys(), line
    return found


async def drive(
    hub: HubProcess, secrets: list[str], answered: dict[str, tuple[str, str, int]]
) -> None:
    """Use every door with good and wrong credentials in every place where one can stand.

    Args:
        secrets: gets what was used.
        answered: gets, by the id of each API request, its method, path and status.
    """

    async def ask(method: str, path: str, body: object = None, **options: Any) -> Any:
        answer = await call(hub, method, path, body, **options)
        if path.startswith("/api/"):
            seen = (method, path, answer.status)
            answered[answer.headers["x-request-id"]] = seen
        return answer

    own = {"Origin": hub.url}
    link = LINK.search(hub.stdout.read_text())
    assert link is not None
    bot_key, made = (
        hub.bot_key,
        await new_key(hub, ADMIN_KEY, "merchant", await merchant_of(hub, ADMIN_KEY), "an owner"),
    )
    secrets += [ADMIN_KEY, METRICS_TOKEN, WRONG, link[1], bot_key, made[0]]
    for body in (
        {"ticket": link[1]},
        {"key": made[0]},
        {"key": WRONG},
        {"ticket": WRONG},
        {"x": WRONG},
    ):
        answer = await ask("POST", "/api/session", body, headers=own)
        if answer.status == 200:
            cookie = answer.headers["set-cookie"].partition(";")[0]
            secrets.append(cookie.partition("=")[2])
    ticket = (await ask("POST", "/api/tickets", key=made[0])).json()["ticket"]
    secrets.append(ticket)
    for key in (ADMIN_KEY, bot_key, WRONG, ticket, METRICS_TOKEN):
        in_path = quote(key, safe="")
        for path in (
            "/api/keys",
            "/api/nothing",
            f"/api/keys/{in_path}",
            f"/{in_path}",
            "/metrics",
        ):
            await ask("GET", path, key=key)
            await ask("GET", path, query={"token": key, "types": "custom_logged"})
            await ask("GET", path, headers={"X-API-Key": key, "User-Agent": key, "Referer": key})
            await ask("DELETE", path, headers={"Cookie": f"hub_session={key}", **own})
        # A path is cut in the log, and with it what stands at its end.
        await ask("GET", f"/api/{'x' * 170}{in_path}")
        await ask("POST", "/api/keys", {"role": key, "name": key}, key=ADMIN_KEY)
        await ask("POST", "/api/events", {"type": key, "data": {"key": key}}, key=bot_key)
        await ask("POST", "/api/events", raw=key.encode(), key=bot_key)
        await exchange(hub, f"GET /{in_path} HTTP/1.1\r\nbad header {key}\r\n\r\n".encode())
        for options in ({"key": key}, {"token": key}, {"headers": {"X-API-Key": key}}):
            async with connect(hub, **options) as socket:
                with contextlib.suppress(ConnectionClosed):  # not everyone may say so much
                    await socket.next()
                    await socket.send({"type": "auth", "token": key})
                    call_ = {"type": "call", "method": key, "params": {"id": key}, "ref": "1"}
                    await socket.send(call_)
                    await socket.send({"type": key, "data": {}})
                    await socket.send_raw(key)
                    await socket.send_raw(b"\xff" + key.encode())
                await socket.closed()
        async with connect(hub) as socket:
            await socket.send({"type": "auth", "token": key})
            await socket.next()
    async with connect(hub, headers={"Cookie": cookie}, origin=hub.url) as socket:
        await socket.next(type="connected")
        await ask("DELETE", "/api/session", headers={"Cookie": cookie, **own})
        await socket.closed()


async def test_no_secret_and_no_query_is_logged_and_every_request_is(tmp_path: Path) -> None:
    secrets: list[str] = []
    answered: dict[str, tuple[str, str, int]] = {}
    settings = {
        "HUB_LOG_LEVEL": "debug", "HUB_ADMIN_KEY": ADMIN_KEY, "HUB_METRICS_TOKEN": METRICS_TOKEN,
    }  # fmt: skip
    async with HubProcess(tmp_path, settings) as hub:
        await drive(hub, secrets, answered)
        assert await hub.terminate() == 0
    text = hub.stderr.read_text(encoding="utf-8")
    written = [form for secret in secrets for form in (secret, quote(secret, safe=""))]
    assert [form[:8] + "…" for form in written if form in text] == []
    # Of a key that was cut off, no more than what may be shown of it.
    assert re.findall(r"hub_[a-z]_[0-9A-Za-z]{5,}", text) == []
    for word in ("token=", "custom_logged", "Traceback", "ticket="):
        assert word not in text, word
    found = lines(hub.stderr)
    requests = {line["request"]: line for line in found if line["event"] == "request"}
    assert len(answered) > 50
    for id_, (method, path, status) in answered.items():
        line = requests[id_]
        # Of refusals in great number some are told at debug, so that a flood fills no disk.
        levels = ("info", "debug") if status in (401, 403, 404, 405, 429) else ("info",)
        assert (line["method"], line["status"]) == (method, status)
        assert line["level"] in levels
        assert line["path"].startswith((path[:10], "/api/***"))
        assert "?" not in line["path"].replace("100%", "")
        assert 0 < line["ms"] < 5000
    sessions = [line for line in found if line["event"] in ("connected", "connection ended")]
    assert len(sessions) > 10
    assert all(line["session"] for line in sessions)


# ── what others log ──────────────────────────────────────────────────────────────────────────

_OTHERS = """
import asyncio, logging, sys, threading, warnings
from pathlib import Path
from hub.operate import logs
from hub.settings import Settings
import structlog

secret, token, admin, kind = sys.argv[1:]
logs.configure(Settings(log_level="debug", log_format=kind, admin_key=admin))
for text in (secret, admin):
    logging.getLogger("a.library").warning("it has %s and %r", text, {"nested": [text]})
    structlog.get_logger("ours").info(text, value=text, nested={"in": [text.encode()]})
    try:
        raise ValueError(f"no such key: {text}")
    except ValueError:
        logging.getLogger("a.library").exception("it broke")
        structlog.get_logger("ours").exception("it broke")
    warnings.warn(f"do not use {text}")
    thread = threading.Thread(target=lambda: {}[text], name="a thread")
    thread.start()
    thread.join()

async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.on_loop_error)
    loop.call_soon(lambda: {}[secret])
    loop.call_exception_handler({"message": f"about {admin}"})
    await asyncio.sleep(0.01)

asyncio.run(main())
structlog.get_logger("ours").info("control", value="\\x1b[2J\\x00 cleared", shown=secret[:10])
raise RuntimeError(f"the end of {secret} and {admin!r}")
"""


@pytest.mark.parametrize("kind", ["json", "console"])
def test_what_others_log_is_masked_in_the_finished_line(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OTHERS, WRONG, METRICS_TOKEN, ADMIN_KEY, kind],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    text = done.stderr
    forms = [WRONG, WRONG[:12], ADMIN_KEY, json.dumps(ADMIN_KEY)[1:-1], repr(ADMIN_KEY)[1:-1]]
    assert [form[:8] + "…" for form in forms if form in text] == []
    for word in ("it broke", "do not use", "uncaught in a thread", "uncaught on the event loop"):
        assert word in text
    assert WRONG[:10] in text, "what may be shown of a key is shown"
    assert "\x1b[2J" not in text
    if kind == "json":
        found = [json.loads(line) for line in text.splitlines()]
        assert found[-1]["level"] == "critical"
        assert "RuntimeError: the end of hub_b_*** and" in found[-1]["exception"]
        uncaught = [line for line in found if line["event"] == "uncaught on the event loop"]
        assert [("exception" in line) for line in uncaught] == [False, True]
        assert "KeyError" in uncaught[1]["exception"]


def test_masking_takes_out_every_form_and_nothing_else() -> None:
    mask = masking(ADMIN_KEY, None, METRICS_TOKEN)
    for form in (
        ADMIN_KEY,
        quote(ADMIN_KEY),
        json.dumps(ADMIN_KEY),
        repr(ADMIN_KEY),
        METRICS_TOKEN,
    ):
        shown = mask(f"before {form} after")
        assert re.fullmatch(r"before ['\"]?\*\*\*['\"]? after", shown), shown
    for plain in ("hub_events_in_total", "hub_a_1234", "a hub_ and a HUB_ADMIN_KEY", ""):
        assert mask(plain) == plain
    assert masking(None)(f"{WRONG}, {WRONG[:20]}") == "hub_b_***, hub_b_***"
    assert masking(None)(WRONG + WRONG) == "hub_b_***hub_b_***"


async def test_the_banner_is_not_in_the_log(hub: HubProcess) -> None:
    assert LINK.search(hub.stdout.read_text())
    assert "ticket" not in hub.stderr.read_text()
    assert [line["event"] for line in lines(hub.stderr)] == ["migrated", "listening"]
