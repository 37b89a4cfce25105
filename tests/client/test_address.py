"""Addresses of hubs, as people write them."""

import pytest

from hub.client.address import socket_url, with_query


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/ws"),
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/ws"),
        ("https://hub.example.org", "wss://hub.example.org/ws"),
        ("ws://localhost:9/ws", "ws://localhost:9/ws"),
        ("wss://example.org/ws/", "wss://example.org/ws"),
        (" http://[::1]:8000 ", "ws://[::1]:8000/ws"),
        ("https://example.org/shop/hub", "wss://example.org/shop/hub/ws"),
        ("ws://h/ws?token=abc", "ws://h/ws?token=abc"),
        ("http://h/#ticket=abc", "ws://h/ws"),
    ],
)
def test_a_hub_has_one_socket(given: str, expected: str) -> None:
    assert socket_url(given) == expected


@pytest.mark.parametrize("given", ["", "127.0.0.1:8000", "ftp://h", "http://", "http://h:99999"])
def test_what_is_no_address_is_said_to_be_none(given: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        socket_url(given)


def test_parameters_are_added_and_replaced() -> None:
    url = with_query("ws://h/ws?token=abc&since=1", {"since": "7", "types": "order_*,a b&c"})
    assert url == "ws://h/ws?token=abc&since=7&types=order_*,a+b%26c"
