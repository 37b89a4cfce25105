"""Which addresses are refused."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.webhook_delivery.addresses import refusal

REFUSED = {
    "loopback": ["127.0.0.1", "127.255.255.255", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.255.255", "fc00::1",
                "fd12:3456::1", "fd00:ec2::254"],
    "CGNAT": ["100.64.0.1", "100.127.255.255", "100.100.100.200"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1"],
    "site-local": ["fec0::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "broadcast": ["255.255.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "192.0.0.8", "192.0.0.192", "4000::1", "100::1", "5f00::1",
                 "2001:10::1", "2001:20::1", "1::1", "e000::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255"],
    "a cloud's own": ["168.63.129.16"],
    "6to4": ["192.88.99.1", "2002:7f00:1::1", "2002:808:808::1"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::10.0.0.1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::1"],
    "IPv4-compatible": ["::127.0.0.1", "::8.8.8.8"],
    "IPv4-translated": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    "carries 127.0.0.1": ["::ffff:127.0.0.1", "::ffff:7f00:1", "2a00:1450::5efe:127.0.0.1",
                          "2a00:1450::200:5efe:127.0.0.1"],
    "carries 10.0.0.1": ["::ffff:10.0.0.1"],
    "not an address": ["", "localhost", "127.1", "0x7f.0.0.1", "2130706433", "017700000001"],
}  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
    "11.0.0.1", "126.255.255.255", "128.0.0.1", "169.253.255.255", "192.0.1.1", "223.255.255.255",
    "2606:4700:4700::1111", "2a00:1450:4001:800::200e", "2001:4860:4860::8888", "2400:cb00::1",
    "::ffff:8.8.8.8", "2a00:1450::5efe:8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, each) for kind, many in REFUSED.items() for each in many]
)
def test_refused_with_its_kind(kind: str, address: str) -> None:
    why = refusal(address)
    assert why is not None
    assert kind in why


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert refusal(address) is None


@given(st.ip_addresses())
def test_nothing_is_public_that_python_takes_for_private(address: object) -> None:
    """The other way round it does not hold: see `_NAMED`."""
    found = ip_address(str(address))
    if refusal(str(address)) is None and not getattr(found, "ipv4_mapped", None):
        assert found.is_global
        assert not found.is_multicast


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_refused_in_every_disguise(address: object) -> None:
    if refusal(str(address)) is None:
        return
    packed = int(ip_address(str(address)))
    for disguised in (
        0xFFFF << 32 | packed,  # mapped
        0x64FF9B << 96 | packed,  # NAT64
        0x2002 << 112 | packed << 80,  # 6to4
        0x20010000 << 96 | ~packed & 0xFFFF_FFFF,  # Teredo
        packed,  # compatible
    ):
        text = str(ip_address(disguised.to_bytes(16, "big")))
        assert refusal(text) is not None


def test_what_the_operator_allows() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/8"), ip_network("127.0.0.1")]
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "127.0.0.1", "8.8.8.8"):
        assert refusal(address, allowed) is None
    for address in ("10.2.0.1", "127.0.0.2", "::1", "fe80::1", "64:ff9b::10.1.2.3"):
        assert refusal(address, allowed) is not None


def test_an_allowed_gateway_does_not_lead_inside() -> None:
    """Networks without IPv4 reach all of it through NAT64; that is no way to loopback."""
    allowed = [ip_network("64:ff9b::/96")]
    assert refusal("64:ff9b::8.8.8.8", allowed) is None
    for inside in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
        assert "carries" in str(refusal(f"64:ff9b::{inside}", allowed))
