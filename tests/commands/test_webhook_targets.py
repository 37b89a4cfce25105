"""Which addresses can be called, and which events a webhook may wait for."""

import pytest

from hub.commands.webhook_targets import TOLD, faults_of_types, faults_of_url
from hub.protocol.events import VOLATILE_TYPES
from hub.protocol.limits import SUBJECT_CHARS


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/hook",
        "http://shop.example",
        "HTTPS://Shop.Example:8443/a%20b?c=d&e=@",
        "http://127.0.0.1:9000/",
        "http://[::1]:9000/",
        "http://under_score.internal/x",
        "http://localhost:1/x",
        "https://xn--bcher-kva.example/",
        "https://shop.example./",
    ],
)
def test_an_address_that_can_be_called(url: str) -> None:
    assert faults_of_url(url) == []


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("shop.example/hook", "https://"),
        ("//shop.example/hook", "https://"),
        ("ftp://shop.example/", "https://"),
        ("javascript:alert(1)", "https://"),
        ("https:///hook", "host"),
        ("https://?x", "host"),
        ("https://:443/", "host"),
        ("https://anna@shop.example/", "password"),
        ("https://anna:secret@shop.example/", "password"),
        ("https://@shop.example/", "password"),
        ("https://shop.example/#here", "fragment"),
        ("https://shop.example/#", "fragment"),
        ("https://shop.example/a b", "URI"),
        ("https://shop.example/\n", "URI"),
        ("https://shop.example\\@evil.example/", "URI"),
        ("https://bücher.example/", "URI"),
        ("https://shop.example:0/", "host"),
        ("https://shop.example:99999/", "no address"),
        ("https://shop.example:x/", "no address"),
        ("https://[::1/", "no address"),
        ("https://[shop.example]/", "address"),
        ("https://-shop.example/", "host"),
        ("https://shop..example/", "host"),
        ("https://1.2.3/", "host"),
        ("https://300.1.1.1/", "host"),
        ("https://" + "a." * 127 + "example/", "host"),
    ],
)
def test_an_address_that_cannot(url: str, word: str) -> None:
    [fault] = faults_of_url(url)
    assert fault.pointer == "/url"
    assert word in fault.message


@pytest.mark.parametrize(
    "pattern",
    ["order_created", "order_*", "*", "o*", "custom_*", "custom_a", "custom_a*", "cust*",
     "message_failed", "job_dead", "key_*"],
)  # fmt: skip
def test_what_a_webhook_may_wait_for(pattern: str) -> None:
    assert faults_of_types([pattern]) == []


@pytest.mark.parametrize(
    "pattern",
    ["", "order", "order_made", "orders_*", "or*der", "**", "webhook_failed", "webhook_*",
     "custom_", "custom_a b", "custom_a b*", "Order_*", "x" * (SUBJECT_CHARS + 1),
     "custom_" + "x" * 122, *sorted(VOLATILE_TYPES)],
)  # fmt: skip
def test_what_never_comes(pattern: str) -> None:
    [fault] = faults_of_types(["order_*", pattern])
    assert fault.pointer == "/event_types/1"
    assert len(fault.message) < 1500


def test_every_pattern_that_is_wrong_is_named() -> None:
    faults = faults_of_types(["order_*", "lost_*", "order_*", "job_started"])
    assert [fault.pointer for fault in faults] == [f"/event_types/{n}" for n in (1, 2, 3)]


def test_nothing_that_is_told_tells_of_webhooks() -> None:
    assert not [type_ for type_ in TOLD if type_.startswith("webhook_")]
