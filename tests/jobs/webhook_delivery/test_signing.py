"""Signatures, checked by the public library of Standard Webhooks and by Node's own crypto."""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from jobs.webhook_delivery.signing import headers, key_of
from tests.support.hub_process import REPOSITORY

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(24, 56))).decode()
BODY = '{"type":"order_created","data":{"größe":"ä"}}'.encode()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@given(
    delivery_id=st.uuids().map(str),
    body=st.dictionaries(st.text(max_size=9), st.text(max_size=40)).map(
        lambda data: json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
    ),
    key=st.binary(min_size=24, max_size=64),
)
def test_the_public_library_takes_what_is_signed(delivery_id: str, body: bytes, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    made = headers(delivery_id, "order_created", body, [secret], now_ms())
    assert Webhook(secret).verify(body, made) == json.loads(body)


def test_both_secrets_are_good_while_one_is_rotated() -> None:
    made = headers("d1", "order_created", BODY, [SECRET, OTHER], now_ms())
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(BODY, made) == json.loads(BODY)
    assert made["webhook-signature"].count("v1,") == 2


@pytest.mark.parametrize(
    "change",
    [
        {"body": BODY + b" "},
        {"webhook-id": "d2"},
        {"webhook-timestamp": str(now_ms() // 1000 - 1)},
        {"secret": OTHER},
    ],
)
def test_whatever_is_changed_is_noticed(change: dict[str, str | bytes]) -> None:
    made = headers("d1", "order_created", BODY, [SECRET], now_ms())
    said = made | {name: str(value) for name, value in change.items() if name in made}
    with pytest.raises(WebhookVerificationError):
        Webhook(str(change.get("secret", SECRET))).verify(change.get("body", BODY), said)


def test_the_fields_of_the_first_generation() -> None:
    made = headers("d1", "order_created", BODY, [SECRET, OTHER], 1_700_000_000_123)
    assert made["X-Event-Type"] == "order_created"
    assert made["X-Timestamp"] == "1700000000123"
    assert made["webhook-timestamp"] == "1700000000"
    expected = hmac.new(SECRET.encode(), BODY + b"1700000000123", hashlib.sha256).hexdigest()
    assert made["X-Webhook-Signature"] == expected


@pytest.mark.parametrize("secret", ["", "abc", "whsec_!", "WHSEC_YWJj", "YWJj"])
def test_a_secret_that_is_none(secret: str) -> None:
    with pytest.raises(ValueError, match="rotate"):
        key_of(secret)


ASKED = """
import { readFileSync } from "node:fs";
const { secret, headers, body } = JSON.parse(readFileSync(0));
console.log(isTheHub(secret, headers, body));
"""


def shown(language: str) -> str:
    """The program of that language in the page about webhooks."""
    page = (REPOSITORY / "docs" / "webhooks.md").read_text(encoding="utf-8")
    [program] = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(program)


def test_a_receiver_in_python() -> None:
    made = headers("d1", "order_created", BODY, [SECRET], now_ms())
    known = {"SECRET": SECRET, "body": BODY, "headers": made}
    exec(shown("python"), known)  # noqa: S102
    assert known["event"] == json.loads(BODY)


def test_a_receiver_in_node() -> None:
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI"):
            pytest.fail("no Node.js on PATH")
        pytest.skip("no Node.js on PATH")
    made = headers("d1", "order_created", BODY, [OTHER, SECRET], now_ms())
    for body, answer in ((BODY, "true"), (BODY + b" ", "false")):
        said = {"secret": SECRET, "headers": made, "body": body.decode()}
        ran = subprocess.run(
            [node, "--input-type=module", "-e", shown("javascript") + ASKED],
            input=json.dumps(said), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert ran.stdout.strip() == answer, ran.stderr
