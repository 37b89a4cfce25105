"""A merchant is called otherwise: by an admin, or by its own key."""

import pytest

from tests.gateway.calling import refusal, result
from tests.gateway.local_hub import LocalHub
from tests.support.rest import call as rest
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines


async def test_a_merchant_renames_itself(local: LocalHub) -> None:
    path, key = f"/api/merchants/{local.merchant_id}", local.keys["merchant"]
    answer = await rest(local, "PATCH", path, {"name": "Café"}, key=key)
    assert answer.status == 200, answer.body
    merchant = answer.json()["merchant"]
    assert (merchant["name"], merchant["version"]) == ("Café", 2)
    assert answer.headers["etag"] == '"2"'
    assert (await rest(local, "GET", path, key=key)).json()["merchant"] == merchant
    for body in ({"name": "Café"}, {}):
        same = await rest(local, "PATCH", path, body, key=key)
        assert same.json()["merchant"] == merchant
    headers = {"If-Match": '"1"'}
    stale = await rest(local, "PATCH", path, {"name": "x"}, key=key, headers=headers)
    assert stale.status == 412
    query = {"target_type": "merchant", "action": "UPDATE"}
    rows = (await rest(local, "GET", "/api/audit", key=key, query=query)).json()["audit"]
    changes = [change for change in rows[0]["changes"] if change["field"] == "name"]
    assert changes == [{"field": "name", "before": "ours", "after": "Café"}]
    assert rows[0]["actor"]["id"] == local.key_ids["merchant"]


async def test_an_admin_renames_any_but_the_one_it_is_not_narrowed_to(local: LocalHub) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        params = {"id": local.other_merchant, "name": "renamed"}
        assert (await result(admin, "merchants.update", params))["merchant"]["version"] == 2
    query = f"merchant_id={local.merchant_id}"
    async with connect(local, local.keys["admin"], query=query) as narrowed:
        assert (await refusal(narrowed, "merchants.update", params))["code"] == "not_found"
        # A key for every merchant is none of the one's.
        params = {"role": "admin", "name": "everywhere"}
        assert (await refusal(narrowed, "keys.create", params))["code"] == "forbidden"


@pytest.mark.parametrize("name", ["", "a\nb", "a\n", "x" * 121, None, 5])
async def test_a_name_that_is_none(local: LocalHub, name: object) -> None:
    path = f"/api/merchants/{local.merchant_id}"
    answer = await rest(local, "PATCH", path, {"name": name}, key=local.keys["merchant"])
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/name"]
