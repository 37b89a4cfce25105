"""Keys and browsers' sessions."""

from typing import Any

import msgspec
import pytest

from hub.protocol.ids import Uuid7Source
from storage import instances, keys, merchants
from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound
from storage.records import ApiKey
from storage.scope import HUB, Scope
from tests.storage.support import NOW, rows

KEY = ApiKey("k1", "m1", "bot", "till", "hub_b_1234", 1, NOW, None, None)


def digest(text: str) -> str:
    return text.rjust(64, "0")


@pytest.fixture
async def with_merchants(database: Database) -> Database:
    async def work(tx: Transaction) -> None:
        await merchants.insert(tx, "m1", "one", NOW, Uuid7Source())
        await merchants.insert(tx, "m2", "two", NOW, Uuid7Source())

    await database.write(work, HUB)
    return database


async def add(
    database: Database, key: ApiKey = KEY, *, bootstrap: bool = False, **changes: Any
) -> ApiKey:
    changed = msgspec.structs.replace(key, **changes)
    await database.write(
        lambda tx: keys.insert(tx, changed, digest(changed.id), bootstrap=bootstrap), HUB
    )
    return changed


async def test_a_key_comes_back_as_it_was(with_merchants: Database) -> None:
    key = await add(with_merchants, name="ümlaut", expires_at="2027-01-01T00:00:00.000Z")
    assert await with_merchants.read(lambda tx: keys.get(tx, "k1"), HUB) == key
    wanted = [digest("k1"), digest("k2")]
    found = await with_merchants.read(lambda tx: keys.by_token_hashes(tx, wanted), HUB)
    assert found == {digest("k1"): key}
    with pytest.raises(NotFound):
        await with_merchants.read(lambda tx: keys.get(tx, "k2"), HUB)


@pytest.mark.parametrize(
    "changes",
    [
        {"merchant_id": "m3"},
        {"merchant_id": None},
        {"role": "admin"},
        {"role": "root"},
        {"name": ""},
        {"name": "x" * 121},
        {"id": "k0"},
    ],
)
async def test_the_table_refuses_nonsense(
    changes: dict[str, Any], with_merchants: Database
) -> None:
    await add(with_merchants, id="k0")
    with pytest.raises(Conflict):
        await add(with_merchants, **changes)


async def test_a_secret_belongs_to_one_key(with_merchants: Database) -> None:
    await add(with_merchants)
    other = msgspec.structs.replace(KEY, id="k2")
    with pytest.raises(Conflict):
        await with_merchants.write(lambda tx: keys.insert(tx, other, digest("k1")), HUB)


async def test_pages_go_by_id_and_merchant(with_merchants: Database) -> None:
    for number in (3, 1, 2, 5, 4):
        await add(with_merchants, id=f"k{number}", merchant_id=f"m{1 + number % 2}")
    await add(with_merchants, id="k6", merchant_id=None, role="admin")

    async def page(merchant_id: str | None, after: str, limit: int) -> list[str]:
        scope = Scope(merchant_id)
        found = await with_merchants.read(lambda tx: keys.page(tx, after, limit), scope)
        return [key.id for key in found]

    assert await page(None, "", 100) == ["k1", "k2", "k3", "k4", "k5", "k6"]
    assert await page(None, "k2", 2) == ["k3", "k4"]
    assert await page("m2", "", 100) == ["k1", "k3", "k5"]
    assert await page("m2", "k1", 1) == ["k3"]
    assert await page("m1", "k5", 9) == []
    assert await page("m3", "", 9) == []


async def test_revoking_happens_once(with_merchants: Database) -> None:
    await add(with_merchants)
    await add(with_merchants, id="k2")
    later = "2026-12-01T00:00:00.000Z"
    assert await with_merchants.write(lambda tx: keys.revoke(tx, "k1", NOW), HUB) is True
    assert await with_merchants.write(lambda tx: keys.revoke(tx, "k1", later), HUB) is False
    assert await with_merchants.write(lambda tx: keys.revoke(tx, "k9", NOW), HUB) is False
    key = await with_merchants.read(lambda tx: keys.get(tx, "k1"), HUB)
    assert (key.revoked_at, key.version) == (NOW, 2)
    other = await with_merchants.read(lambda tx: keys.get(tx, "k2"), HUB)
    assert (other.revoked_at, other.version) == (None, 1)


async def test_revoking_ends_the_browsers_of_that_key(with_merchants: Database) -> None:
    await add(with_merchants)
    await add(with_merchants, id="k2")
    far = "2030-01-01T00:00:00.000Z"

    async def sign_in(tx: Transaction) -> None:
        for name, key_id in (("a", "k1"), ("b", "k1"), ("c", "k2")):
            await keys.insert_session(tx, digest(name), key_id, "m1", NOW, far)

    await with_merchants.write(sign_in, HUB)
    found = await with_merchants.read(lambda tx: keys.by_session_hash(tx, digest("a")), HUB)
    assert found == (KEY, far)
    await with_merchants.write(lambda tx: keys.revoke(tx, "k1", NOW), HUB)
    for name in ("a", "b", "x"):
        at = digest(name)
        gone = await with_merchants.read(lambda tx, at=at: keys.by_session_hash(tx, at), HUB)  # type: ignore[misc]
        assert gone is None
    assert await with_merchants.read(lambda tx: keys.by_session_hash(tx, digest("c")), HUB)


async def test_signing_in_forgets_what_has_expired(with_merchants: Database) -> None:
    await add(with_merchants)

    async def sign_in(name: str, now: str, until: str) -> None:
        await with_merchants.write(
            lambda tx: keys.insert_session(tx, digest(name), "k1", "m1", now, until), HUB
        )

    await sign_in("a", "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z")
    await sign_in("b", "2026-01-01T00:00:00.000Z", "2026-01-03T00:00:00.000Z")
    await sign_in("c", "2026-01-02T00:00:00.000Z", "2026-01-09T00:00:00.000Z")
    found = await rows(with_merchants, "SELECT token_hash FROM browser_sessions ORDER BY 1")
    assert found == [(digest("b"),), (digest("c"),)]


async def test_presence_is_noted_once(with_merchants: Database) -> None:
    await add(with_merchants)
    await add(with_merchants, id="k2")
    await with_merchants.write(lambda tx: instances.beat(tx, "hub", NOW), HUB)

    async def note(connected: bool) -> bool:
        change = instances.connect_bot if connected else instances.disconnect_bot
        return await with_merchants.write(lambda tx: change(tx, "k1", "hub"), HUB)

    connected = "SELECT id FROM api_keys WHERE connected = TRUE"
    assert await note(False) is False
    assert await note(True) is True
    assert await note(True) is False
    assert await rows(with_merchants, connected) == [("k1",)]
    assert await note(False) is True
    assert await rows(with_merchants, connected) == []


async def test_bootstrap_keys_are_those_in_force(with_merchants: Database) -> None:
    await add(with_merchants)
    for id_ in ("b1", "b2"):
        await add(with_merchants, id=id_, merchant_id=None, role="admin", bootstrap=True)
    assert sorted(await with_merchants.read(keys.bootstrap_keys, HUB)) == ["b1", "b2"]
    await with_merchants.write(lambda tx: keys.revoke(tx, "b1", NOW), HUB)
    assert await with_merchants.read(keys.bootstrap_keys, HUB) == ["b2"]
