"""Where a gateway finds the picture of a message; for one that needs the file itself, the file."""

import base64
import time

from hub.media.folder import MediaFolder
from hub.protocol.errors import HubError
from hub.whatsapp.messages import MediaSource
from jobs.pictures.variants import Variant, served, variants_of
from storage.merchant_records import Job, MediaFile

from .handing import Handed


class Pictures:
    """Addresses of pictures for gateways, which open them without a key for an hour at least.

    Args:
        public_url: the hub's address from outside; None where it is not known.
        local_url: its address on this machine, for bots beside it.
    """

    def __init__(self, folder: MediaFolder, public_url: str | None, local_url: str) -> None:
        self._folder = folder
        self._base = (public_url or local_url).rstrip("/")

    def source(self, file: MediaFile) -> MediaSource:
        """What a gateway is told of a picture; its content is put in by `put_into`."""
        url, jpeg_url = file.url, None
        if url is not None and url.startswith("/"):
            jpeg_url = self._signed(url, "jpeg") if "jpeg" in variants_of(file) else None
            url = self._signed(url, "original")
        return MediaSource(
            url=url, jpeg_url=jpeg_url, data_base64="", mime_type=file.mime_type,
            file_name=file.original_name, size=file.size,
        )  # fmt: skip

    async def put_into(self, handed: list[Handed]) -> list[tuple[Job, str]]:
        """Put the contents of pictures into the messages that need them.

        Returns:
            The jobs of those that cannot be read, and why.
        """
        unreadable: list[tuple[Job, str]] = []
        for each in handed:
            if each.picture is not None:
                path = self._folder.file(served(each.picture))
                try:
                    content = await self._folder.run(path.read_bytes)
                except (HubError, OSError) as error:
                    unreadable.append((each.job, f"the picture cannot be read: {error}"))
                else:
                    each.data["message"]["data"] = base64.b64encode(content).decode()
        return unreadable

    def _signed(self, path: str, variant: Variant) -> str:
        url = self._base + self._folder.signer.signed(path, variant, time.time())
        return url if variant == "original" else f"{url}&variant={variant}"
