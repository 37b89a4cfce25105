"""A message with a picture: its address, or for a gateway that needs it, the picture itself."""

import base64
from urllib.parse import urlsplit

import pytest

from tests.api.pictures import uploaded
from tests.media.making import plain, saved
from tests.support.rest import call
from tests.tasks.shop import Shop

PICTURE = saved(plain(), "PNG")


async def media_of(shop: Shop) -> str:
    """A picture, and the active template `cake` that shows it; the picture's id."""
    hub, key = shop.hub, shop.hub.keys["merchant"]
    media_id = str((await uploaded(hub, key, PICTURE))["id"])
    template = {
        "name": "cake", "type": "media",
        "media": {"type": "image", "media_id": media_id, "caption": "The {{cake}}"},
    }  # fmt: skip
    made = await call(hub, "POST", "/api/templates", template, key=key)
    assert made.status == 201, made.body
    path = f"/api/templates/{made.json()['template']['id']}/activate"
    active = await call(hub, "POST", path, key=key)
    assert active.status == 200, active.body
    return media_id


@pytest.mark.parametrize("format_", ["baileys", "cloud", "text", "whatsapp-web.js"])
async def test_a_gateway_gets_the_picture_as_it_needs_it(shop: Shop, format_: str) -> None:
    await media_of(shop)
    id_ = await shop.send(text=None, template="cake", variables={"cake": "plum cake"})
    assert (await shop.message(id_)).text == "The plum cake"
    async with shop.bot(credit=1, format=format_) as bot:
        message = (await bot.task())["data"]["message"]
    match format_:
        case "baileys":
            url = message["image"]["url"]
        case "cloud":
            url = message["image"]["link"]
        case "text":
            url = message.rpartition("\n")[2]
        case _:
            assert base64.b64decode(message["data"]) == PICTURE
            assert (message["mimetype"], message["caption"]) == ("image/png", "The plum cake")
            return
    assert url.startswith(f"http://127.0.0.1:{shop.hub.port}/api/media/")
    parts = urlsplit(url)
    opened = await call(shop.hub, "GET", f"{parts.path}?{parts.query}")
    assert (opened.status, opened.body) == (200, PICTURE), "without a key"


async def test_a_picture_that_cannot_be_read_is_tried_again(shop: Shop) -> None:
    await media_of(shop)
    id_ = await shop.send(text=None, template="cake", variables={"cake": "plum cake"})
    root = shop.hub.services.media.root
    for file in root.rglob("*.png"):
        file.unlink()
    async with shop.bot(credit=1, format="whatsapp-web.js") as bot:
        job = await shop.until(id_, "retrying")
        assert "picture" in str(job.error)
        assert await bot.idle()
        await shop.send(to="263772")
        assert (await bot.task())["data"]["message"] == "hello", "others go on"
