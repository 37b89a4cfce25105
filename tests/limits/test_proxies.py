"""Whose address counts: only what a trusted hop wrote into `X-Forwarded-For`."""

import tracemalloc
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.addresses import Proxies, is_loopback, network, subject

PROXIES = Proxies(("127.0.0.1", "10.0.0.0/8", "fd00::/8"))

OF_PROXIES = st.sampled_from(["127.0.0.1", "10.0.0.1", "10.255.255.255", "fd00::1", "fdff::2"])
OF_OTHERS = st.one_of(
    st.ip_addresses(v=4).filter(lambda ip: ip.packed[0] not in (10, 127)),
    # 0:0::/32 holds the mapped ones, which are IPv4 addresses in truth.
    st.ip_addresses(v=6).filter(lambda ip: ip.packed[0] != 0xFD and any(ip.packed[:4])),
).map(str)
ANYTHING = st.lists(st.one_of(st.text(max_size=40), OF_PROXIES, OF_OTHERS), max_size=5).map(
    ",".join
)
SPACES = st.sampled_from(["", " ", "\t", "  "])


def written(address: str, port: int | None) -> str:
    """An entry as proxies write it."""
    bracketed = f"[{address}]" if ":" in address else address
    return address if port is None else f"{bracketed}:{port}"


ENTRIES_PORTS = st.none() | st.integers(0, 65535)


@st.composite
def header_lines(draw: st.DrawFn, entries: list[str]) -> list[str]:
    """These entries with any spaces, in any number of header lines."""
    lines = [""]
    for number, entry in enumerate(entries):
        spaced = f"{draw(SPACES)}{entry}{draw(SPACES)}"
        if number and draw(st.booleans()):
            lines.append(spaced)
        else:
            lines[-1] += f",{spaced}" if number else spaced
    return lines


@given(peer=OF_OTHERS, lines=st.lists(ANYTHING, max_size=4))
def test_nothing_that_an_untrusted_peer_sends_counts(peer: str, lines: list[str]) -> None:
    assert PROXIES.client(peer, lines) == peer
    assert Proxies().client(peer, lines) == peer


@given(peer=OF_PROXIES, lines=st.lists(ANYTHING, max_size=4))
def test_without_trusted_proxies_nobody_is_one(peer: str, lines: list[str]) -> None:
    assert Proxies().client(peer, lines) == peer


@given(
    data=st.data(),
    peer=OF_PROXIES,
    client=OF_OTHERS,
    hops=st.lists(OF_PROXIES, max_size=4),
    forged=st.lists(ANYTHING, max_size=3),
)
def test_what_a_client_forges_changes_nothing(
    data: st.DataObject, peer: str, client: str, hops: list[str], forged: list[str]
) -> None:
    entries = [written(address, data.draw(ENTRIES_PORTS)) for address in (client, *hops)]
    honest = data.draw(header_lines(entries))
    assert PROXIES.client(peer, honest) == client
    # A proxy appends to the line that it got, or adds a line of its own.
    assert PROXIES.client(peer, [*forged, *honest]) == client
    assert PROXIES.client(peer, [",".join([*forged, *honest])]) == client


@given(
    data=st.data(),
    peer=OF_PROXIES,
    hops=st.lists(OF_PROXIES, min_size=1, max_size=5),
)
def test_where_all_are_trusted_the_leftmost_is_the_client(
    data: st.DataObject, peer: str, hops: list[str]
) -> None:
    assert PROXIES.client(peer, data.draw(header_lines(hops))) == hops[0]


MALFORMED = [
    *("unknown", "_hidden", "localhost", "hub.example", "-", "null", "client=1.2.3.4"),
    *("1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4/32", "0x7f.1", "1.2.3.4 5.6.7.8"),
    *("1.2.3.4:", "1.2.3.4:port", "1.2.3.4:123456", "[1.2.3.4", ":::", "[::1", "::1]", "[::1]x"),
    *("fe80::1%eth0", '"1.2.3.4"', "for=1.2.3.4", "1.2.3.4;x", "١.2.3.4", "\x001.2.3.4"),
    *("1" * 10_000, "[" * 10_000, "::" + "1" * 60),
]


@pytest.mark.parametrize("entry", MALFORMED, ids=lambda entry: repr(entry)[:24])
def test_an_entry_that_is_no_address_ends_the_walk_at_the_last_good_hop(entry: str) -> None:
    assert PROXIES.client("10.0.0.1", [entry]) == "10.0.0.1"
    assert PROXIES.client("10.0.0.1", [f"8.8.8.8, {entry}"]) == "10.0.0.1"
    assert PROXIES.client("10.0.0.1", [f"8.8.8.8, {entry}, 10.0.0.7, 10.0.0.8"]) == "10.0.0.7"
    assert PROXIES.client("10.0.0.1", [f"8.8.8.8, {entry}", "9.9.9.9, 10.0.0.8"]) == "9.9.9.9"


def test_long_entries_are_not_remembered() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(500):
            PROXIES.client("10.0.0.1", [f"{number}{'1' * 16_000}"])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 500_000


@given(peer=OF_PROXIES, lines=st.lists(ANYTHING, max_size=4))
def test_the_client_is_always_an_address(peer: str, lines: list[str]) -> None:
    found = PROXIES.client(peer, lines)
    assert str(ip_address(found)) == found


@pytest.mark.parametrize(
    ("entry", "client"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4:567", "1.2.3.4"),
        ("[2001:db8::1]:99", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("[::ffff:102:304]:80", "1.2.3.4"),
    ],
)
def test_the_forms_of_an_entry(entry: str, client: str) -> None:
    assert PROXIES.client("127.0.0.1", [entry]) == client
    assert PROXIES.client("127.0.0.1", [f"unknown, {entry},, 10.1.1.1:4711,"]) == client


def test_mapped_addresses_are_the_ipv4_addresses_that_they_are() -> None:
    assert PROXIES.client("::ffff:127.0.0.1", ["1.2.3.4"]) == "1.2.3.4"
    assert PROXIES.client("::ffff:8.8.8.8", ["1.2.3.4"]) == "8.8.8.8"
    assert PROXIES.client("127.0.0.1", ["1.2.3.4, ::ffff:10.0.0.9"]) == "1.2.3.4"
    assert Proxies(("::ffff:10.0.0.0/104",)).client("10.0.0.1", ["1.2.3.4"]) == "1.2.3.4"
    assert Proxies(("::/0",)).client("10.0.0.1", ["1.2.3.4"]) == "10.0.0.1"


def test_a_peer_that_has_no_address_is_left_as_it_is_and_never_trusted() -> None:
    everybody = Proxies(("0.0.0.0/0", "::/0"))
    for peer in ("", "/run/hub.sock", "testclient"):
        assert everybody.client(peer, ["1.2.3.4"]) == peer
    assert everybody.client("9.9.9.9", ["unknown, 1.2.3.4, 5.6.7.8"]) == "1.2.3.4"
    assert everybody.client("fe80::1%eth0", []) == "fe80::1"


def test_an_ipv4_network_trusts_no_ipv6_address_and_the_other_way_round() -> None:
    assert Proxies(("0.0.0.0/0",)).client("2001:db8::1", ["1.2.3.4"]) == "2001:db8::1"
    assert Proxies(("::/0",)).client("9.9.9.9", ["1.2.3.4"]) == "9.9.9.9"


@pytest.mark.parametrize(
    "text", ["", "proxy", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "10.*", "fd00::1/8", "[::1]"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    for refused in (network, lambda text: Proxies((text,))):
        with pytest.raises(ValueError, match="is not an address or a network") as refusal:
            refused(text)
        assert repr(text) in str(refusal.value)


# ── what limits count by ─────────────────────────────────────────────────────────────────────


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_counts_for_itself(address: IPv4Address) -> None:
    assert subject(str(address)) == str(address)
    assert subject(f"::ffff:{address}") == str(address)


@given(st.integers(1 << 48, (1 << 64) - 1), *[st.integers(0, (1 << 64) - 1)] * 2)
def test_an_ipv6_address_counts_for_its_network(net: int, one: int, other: int) -> None:
    shared = subject(str(IPv6Address(net << 64 | one)))
    assert shared == subject(str(IPv6Address(net << 64 | other)))
    assert network(shared).prefixlen == 64
    assert IPv6Address(net << 64 | one) in network(shared)
    assert subject(str(IPv6Address((net ^ 1) << 64 | one))) != shared


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_subjects(address: str, counted: str) -> None:
    assert subject(address) == counted


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("hub.example", False),
        ("localhost.example", False),
    ],
)
def test_which_hosts_are_this_machine_s_own(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
