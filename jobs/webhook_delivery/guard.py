"""How connections are made: each address is judged at the moment in which it is connected to.

A name may resolve to something else each time, and a literal address is not resolved at all, so
neither the text of a URL nor an answer of DNS is what is judged: only what is given to `connect`.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence

from aiohttp import AddrInfoType, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from .addresses import Network, refusal

_LOOKUPS = 8
"""Names that are looked up at once; one whose servers are silent takes half a minute."""
_NAMES_SECONDS = 10
_KEEP_SECONDS = 4.0
"""Below the 5 s after which Node closes what is idle: a connection closed by its other end just
then is an attempt that failed."""
_CONNECTIONS, _PER_HOST = 100, 20


class RefusedAddress(OSError):
    """An address that webhooks may not reach; nothing was connected."""


def sockets(allowed: Sequence[Network] = ()) -> Callable[[AddrInfoType], socket.socket]:
    """What makes the socket for an address that is about to be connected to.

    It raises RefusedAddress in place of making one for an address that is refused.
    """

    def socket_for(found: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = found
        if family not in (socket.AF_INET, socket.AF_INET6):
            raise RefusedAddress(f"{address!r} is no address of the internet")
        why = refusal(str(address[0]), allowed)
        if why is not None:
            raise RefusedAddress(why)
        return socket.socket(family, kind, protocol)

    return socket_for


def connector(allowed: Sequence[Network] = ()) -> TCPConnector:
    """The connections of one session, guarded."""
    return TCPConnector(
        resolver=Names(),
        ttl_dns_cache=_NAMES_SECONDS,
        socket_factory=sockets(allowed),
        limit=_CONNECTIONS,
        limit_per_host=_PER_HOST,
        keepalive_timeout=_KEEP_SECONDS,
    )


class Names(AbstractResolver):
    """Looks names up in threads of its own.

    Those of the loop serve others too, and a stop would wait for a look-up that hangs.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            OSError: it has none, or nobody says.
        """
        loop = asyncio.get_running_loop()
        await self._free.acquire()
        answer: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def settle(found: list[ResolveResult] | None, error: OSError | None) -> None:
            self._free.release()
            if answer.done():  # nobody waits any more
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found or [])

        def look_up() -> None:
            found, failed = None, None
            try:
                found = _addresses(host, port, family)
            except (OSError, UnicodeError) as error:
                failed = error if isinstance(error, OSError) else OSError(str(error))
            try:
                loop.call_soon_threadsafe(settle, found, failed)
            except RuntimeError:
                return  # the loop is closed: the process ends

        threading.Thread(target=look_up, name="webhook names", daemon=True).start()
        return await answer

    async def close(self) -> None:
        """There is nothing to close: a thread ends with its look-up."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host, host=str(address[0]), port=int(address[1]), family=family,
            proto=protocol, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for family, _, protocol, _, address in found
        if family in (socket.AF_INET, socket.AF_INET6)
    ]  # fmt: skip
