"""Who is at the other end: the client's address behind proxies, and what limits count it by."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CACHED = 4096
_LONGEST = 64
"""Characters of the longest entry that is looked at: an address, brackets and a port."""
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
_MAPPED = IPv6Network("::ffff:0:0/96")


def network(text: str) -> Network:
    """Read an address or a network, such as `127.0.0.1`, `10.0.0.0/8` or `fd00::/8`.

    A network of IPv4-mapped IPv6 addresses becomes its IPv4 network.

    Raises:
        ValueError: the text is neither.
    """
    try:
        found = ip_network(text)
    except ValueError as error:
        why = "its host bits are not 0" if "host bits" in str(error) else "it cannot be read"
        raise ValueError(
            f"{text!r} is not an address or a network such as 10.0.0.0/8 or fd00::/8: {why}"
        ) from None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        low_bits = int(found.network_address) & 0xFFFF_FFFF
        return IPv4Network((low_bits, found.prefixlen - 96))
    return found


def is_loopback(host: str) -> bool:
    """Whether a host, a name or an address, is this machine's own and reachable only from it."""
    found = _address(host)
    return host.lower() == "localhost" if found is None else found.is_loopback


@lru_cache(_CACHED)
def subject(address: str) -> str:
    """What limits count an address by: IPv4 as it is, IPv6 by its /64.

    One customer's line has at least a /64 (RFC 6177), so single IPv6 addresses limit nobody.
    What is no address stays as it is.
    """
    found = _address(address)
    if isinstance(found, IPv6Address):
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return address if found is None else str(found)


class Proxies:
    """The proxies whose `X-Forwarded-For` counts.

    Args:
        trusted: `HUB_TRUSTED_PROXIES`, addresses and networks.

    Raises:
        ValueError: an entry is neither.
    """

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._networks = tuple(network(text) for text in trusted)
        self._trusts = lru_cache(_CACHED)(self._is_in_a_network)

    def client(self, peer: str, forwarded_for: Sequence[str] = ()) -> str:
        """The address of the client, in its shortest form.

        A header proves only what a trusted hop wrote into it. Every proxy appends the address of
        its own peer, so the entries are read from the right, and the first that is no trusted
        proxy is the client, whatever stands to the left of it. If all are trusted, the leftmost
        is. An entry that is no address, with or without a port, ends the walk at the last hop
        that was one.

        Args:
            peer: the other end of the connection, as the system names it.
            forwarded_for: the values of all `X-Forwarded-For` lines, in their order.
        """
        hop = _canonical(peer)
        if not self._networks or not self._trusts(hop):
            return hop
        for entry in _from_the_right(forwarded_for):
            found = _canonical_entry(entry) if len(entry) <= _LONGEST else None
            if found is None:
                return hop
            hop = found
            if not self._trusts(hop):
                return hop
        return hop

    def _is_in_a_network(self, text: str) -> bool:
        found = _address(text)
        return found is not None and any(found in each for each in self._networks)


def _from_the_right(lines: Sequence[str]) -> Iterator[str]:
    """The entries of a list field, last first; empty ones do not count (RFC 9110, section 5.6.1).

    No more of a line is split than is asked for, since its left part is whatever a client sent.
    """
    for line in reversed(lines):
        end = len(line)
        while end >= 0:
            comma = line.rfind(",", 0, end)
            entry = line[comma + 1 : end].strip(" \t")
            if entry:
                yield entry
            end = comma


@lru_cache(_CACHED)
def _canonical_entry(entry: str) -> str | None:
    match = _WITH_PORT.fullmatch(entry)
    text = (match[1] or match[2]) if match else entry
    found = _address(text)
    return None if found is None or "%" in text else str(found)


@lru_cache(_CACHED)
def _canonical(peer: str) -> str:
    found = _address(peer)
    return peer if found is None else str(found)


def _address(text: str) -> Address | None:
    """An address, without a zone, and unwrapped where it is an IPv4-mapped one; else None."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return IPv6Address(int(found)) if mapped is None else mapped
    return found
