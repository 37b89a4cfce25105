"""No credential reaches the log, whichever way it comes in and however much is logged."""

from pathlib import Path

from tests.support.hub_process import HubProcess
from tests.support.rest import call
from tests.support.ws import connect


async def test_no_credential_is_logged(tmp_path: Path) -> None:
    settings = {"HUB_LOG_LEVEL": "debug", "HUB_LOG_FORMAT": "json"}
    async with HubProcess(tmp_path, settings) as hub:
        own = {"Origin": hub.url}
        answer = await call(hub, "POST", "/api/session", {"key": hub.admin_key}, headers=own)
        assert answer.status == 200
        cookie = answer.headers["set-cookie"].partition(";")[0]
        wrong = "hub_b_" + "Z" * 43
        secrets = [hub.admin_key, hub.bot_key, cookie.partition("=")[2], wrong]
        for key in (hub.bot_key, hub.admin_key, wrong):
            async with connect(hub, key) as by_header:
                await by_header.next()
            async with connect(hub, token=key, query="types=custom_*") as by_query:
                await by_query.next()
            async with connect(hub, headers={"X-API-Key": key}) as by_other_header:
                await by_other_header.next()
            async with connect(hub) as by_frame:
                await by_frame.send({"type": "auth", "token": key})
                await by_frame.next()
            query = {"token": key, "types": "custom_*"}
            for path in ("/api/events", "/nothing/here", "/ws"):
                await call(hub, "GET", path, key=key, query=query)
        async with connect(hub, headers={"Cookie": cookie}, origin=hub.url) as by_cookie:
            assert (await by_cookie.next())["role"] == "admin"
        async with connect(hub, hub.admin_key) as page:
            await page.send_raw(hub.admin_key)
            await page.send_raw(b"\xff" + hub.admin_key.encode())
            await page.closed()
        assert await hub.terminate() == 0
    log = hub.log.read_text()
    assert "listening" in log
    assert [secret[:10] + "…" for secret in secrets if secret in log] == []
