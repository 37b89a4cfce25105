"""The screen of pictures in a page, and files for it."""

import base64
import io
from random import Random
from typing import Any

from PIL import Image
from playwright.async_api import CDPSession, Locator, expect

from tests.browser.bot import Bot
from tests.browser.dashboard import Dashboard
from tests.browser.shop import Row, Shop

File = dict[str, Any]
"""As Playwright takes one: name, mimeType, buffer."""

_TRANSFER = """
(files) => {
  const transfer = new DataTransfer();
  for (const { name, mimeType, content } of files) {
    const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: mimeType }));
  }
  return transfer;
}
"""
_PASTE = """
(clipboardData) => {
  document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
}
"""


def picture(
    name: str = "tea.png",
    size: tuple[int, int] = (60, 40),
    seed: int = 1,
    *,
    see_through: int = 255,
) -> File:
    """A picture that no other seed gives; of noise, so that its size in bytes is that of its
    pixels."""
    kind = name.rsplit(".", 1)[-1].replace("jpg", "jpeg")
    mode = "RGB" if see_through == 255 else "RGBA"
    pixels = Random(seed).randbytes(size[0] * size[1] * len(mode))
    image = Image.frombytes(mode, size, pixels)
    if see_through < 255:
        image.putalpha(see_through)
    out = io.BytesIO()
    image.save(out, kind)
    return {"name": name, "mimeType": f"image/{kind}", "buffer": out.getvalue()}


def no_picture(name: str = "notes.png") -> File:
    """A file that says that it is a picture."""
    return {"name": name, "mimeType": "image/png", "buffer": b"It is none. " * 50}


async def stored(shop: Shop, file: File) -> Row:
    """A picture of a merchant, uploaded over REST."""
    answer = await shop.admin.request.post(
        f"/api/media/upload?merchant_id={shop.merchant_id}",
        data=file["buffer"],
        headers={"Content-Type": file["mimeType"], "X-File-Name": file["name"]},
    )
    assert answer.status == 201, await answer.text()
    return dict((await answer.json())["media"])


async def media_of(shop: Shop) -> list[Row]:
    """The pictures that a merchant has, oldest first."""
    return list((await shop.get(f"/api/media?merchant_id={shop.merchant_id}"))["media"])


async def events_of(admin: Bot, type_: str) -> list[Row]:
    """What the log says of one type."""
    answer = await admin.request.get(f"/api/events?types={type_}")
    assert answer.status == 200, await answer.text()
    return list((await answer.json())["events"])


class Gallery:
    """The screen of pictures in a page."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.page = dashboard.page

    @property
    def tiles(self) -> Locator:
        return self.page.locator("media-grid .media-tile")

    def tile(self, name: str) -> Locator:
        """The button that opens a picture."""
        return self.tiles.filter(has_text=name).get_by_role("button")

    @property
    def names(self) -> Locator:
        return self.tiles.locator(".media-name")

    async def copied(self, text: str) -> None:
        """Wait until the clipboard has a text."""
        await self.page.wait_for_function(
            "async (text) => (await navigator.clipboard.readText()).includes(text)", arg=text
        )

    @property
    def drawer(self) -> Locator:
        return self.page.locator("dialog.drawer")

    @property
    def spoken(self) -> Locator:
        return self.page.locator(".screen-list upload-list > [role=status]")

    def upload(self, name: str, state: str | None = None) -> Locator:
        """The row of a file on its way."""
        at = f'[data-state="{state}"]' if state else ""
        return self.page.locator(f".screen-list .upload-row{at}").filter(has_text=name)

    async def shows(self, tile: Locator) -> None:
        """Wait until the picture in a tile, or in the drawer, is to be seen."""
        await expect(tile.locator("media-picture")).to_have_attribute("data-state", "shown")

    async def choose(self, *files: File) -> None:
        """Choose files in the browser's own dialog."""
        async with self.page.expect_file_chooser() as chooser:
            await self.dashboard.button("Upload").click()
        await (await chooser.value).set_files(list(files))  # type: ignore[arg-type]

    async def drop(self, *files: File) -> None:
        """Hold files over the page and let them go."""
        body, transfer = self.page.locator("body"), await self._transfer(files)
        await body.dispatch_event("dragenter", {"dataTransfer": transfer})
        await body.dispatch_event("dragover", {"dataTransfer": transfer})
        await body.dispatch_event("drop", {"dataTransfer": transfer})

    async def hold(self, *files: File) -> None:
        """Hold files over the page."""
        transfer = await self._transfer(files)
        await self.page.locator("body").dispatch_event("dragenter", {"dataTransfer": transfer})

    async def paste(self, *files: File) -> None:
        await self.page.evaluate(_PASTE, await self._transfer(files))

    async def _transfer(self, files: tuple[File, ...]) -> Any:
        given = [
            {
                "name": file["name"],
                "mimeType": file["mimeType"],
                "content": base64.b64encode(file["buffer"]).decode(),
            }
            for file in files
        ]
        return await self.page.evaluate_handle(_TRANSFER, given)

    async def slow(self) -> CDPSession:
        """Let 8 kB a second leave the page from here on, until `fast`."""
        session = await self.page.context.new_cdp_session(self.page)
        await session.send("Network.enable")
        await self._limit(session, 8_000)
        return session

    async def fast(self, session: CDPSession) -> None:
        await self._limit(session, -1)

    async def _limit(self, session: CDPSession, upload: int) -> None:
        limits = {"offline": False, "latency": 0, "downloadThroughput": -1}
        await session.send(
            "Network.emulateNetworkConditions", {**limits, "uploadThroughput": upload}
        )
