"""Which addresses of the internet a webhook may reach: public ones, and what the operator allows.

An address is refused by an explicit list (the special-purpose registries of IANA, RFC 6890), since
`ipaddress.is_global` lets NAT64, 6to4, IPv4-compatible addresses and multicast through. An address
that carries an IPv4 address in it is judged by both.
"""

from collections.abc import Iterator, Sequence
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

_NAMED = {
    "0.0.0.0/8": "unspecified",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a provider's customers (CGNAT)",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's own service",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "for documentation",
    "192.31.196.0/24": "reserved",
    "192.52.193.0/24": "reserved",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "reserved",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "255.255.255.255/32": "broadcast",
    "240.0.0.0/4": "reserved",
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "::/96": "IPv4-compatible",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "NAT64",
    "2001::/32": "Teredo",
    "2001::/23": "reserved",
    "2001:db8::/32": "for documentation",
    "2002::/16": "6to4",
    "3fff::/20": "for documentation",
    "fc00::/7": "private (ULA)",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), kind) for text, kind in _NAMED.items()
)
"""In this order: what is narrower stands before what holds it."""
_UNICAST = IPv6Network("2000::/3")
"""Where the public addresses of IPv6 are; IANA has given out no others."""

_MAPPED = IPv6Network("::ffff:0:0/96")
_LAST_32_BITS = tuple(
    IPv6Network(text)
    for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def networks(texts: Sequence[str]) -> list[Network]:
    """What the operator allows: addresses, and networks such as `10.1.0.0/16`.

    Raises:
        ValueError: one of them is neither.
    """
    found = []
    for text in texts:
        net = ip_network(text)
        if isinstance(net, IPv6Network) and net.subnet_of(_MAPPED):
            low = int(net.network_address) & 0xFFFF_FFFF
            net = IPv4Network((low, net.prefixlen - 96))
        found.append(net)
    return found


def refusal(text: str, allowed: Sequence[Network] = ()) -> str | None:
    """Why an address may not be reached, a sentence; None where it may.

    Args:
        text: an IPv4 or IPv6 address, with its zone or without.
        allowed: what may be reached although it is refused otherwise (`HUB_WEBHOOK_ALLOW`).
    """
    try:
        address = ip_address(text)
    except ValueError:
        return f"{text!r} is not an address"
    for each in _layers(address):
        if any(each.version == net.version and each in net for net in allowed):
            continue
        kind = _kind(each)
        if kind is not None:
            inside = "" if each == address else f" carries {each}, which"
            return (
                f"{address}{inside} is {kind}: webhooks reach public addresses alone, "
                "and those that HUB_WEBHOOK_ALLOW names"
            )
    return None


def _kind(address: Address) -> str | None:
    """What kind of address it is that is refused; None for a public one."""
    for net, kind in _REFUSED:
        if address.version == net.version and address in net:
            return kind
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return "reserved"
    return None


def _layers(address: Address) -> Iterator[Address]:
    """The address, and those that are written into it.

    An IPv4-mapped address is another way to write its IPv4 address, which stands for both.
    """
    if isinstance(address, IPv6Address):
        low = IPv4Address(int(address) & 0xFFFF_FFFF)
        if address in _MAPPED:
            yield low
            return
        yield address
        if any(address in net for net in _LAST_32_BITS):
            yield low
        elif address in _6TO4:
            yield IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
        elif address in _TEREDO:
            yield IPv4Address(int(address) >> 64 & 0xFFFF_FFFF)
            yield IPv4Address(~int(low) & 0xFFFF_FFFF)
        elif int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
            yield low
    else:
        yield address
