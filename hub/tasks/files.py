"""Where a gateway finds the picture of a message."""

import time

from hub.media.folder import MediaFolder
from hub.whatsapp.messages import MediaSource
from storage.merchant_records import MediaFile


class Pictures:
    """Addresses of pictures for gateways, which open them without a key for an hour at least.

    Args:
        public_url: the hub's address from outside; None where it is not known.
        local_url: its address on this machine, for bots beside it.
    """

    def __init__(self, folder: MediaFolder, public_url: str | None, local_url: str) -> None:
        self._folder = folder
        self._base = (public_url or local_url).rstrip("/")

    def __call__(self, file: MediaFile) -> MediaSource:
        url = file.url
        if url is not None and url.startswith("/"):
            url = self._base + self._folder.signer.signed(url, "content", time.time())
        return MediaSource(
            url=url, mime_type=file.mime_type, file_name=file.original_name, size=file.size
        )
