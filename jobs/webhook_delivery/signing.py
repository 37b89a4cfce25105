"""The header fields of one attempt, signed in both ways that receivers know.

Standard Webhooks (standardwebhooks.com, version 1): `webhook-signature` has a signature for each
secret that is good, HMAC-SHA256 of `id.timestamp.body` under the bytes behind `whsec_`. Receivers
of the first generation read `X-Webhook-Signature`: HMAC-SHA256 of the body and `X-Timestamp`, under
the secret as it is written, hexadecimal; that field has room for one, the newest secret's.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


def headers(
    delivery_id: str, event_type: str, body: bytes, secrets: Sequence[str], now_ms: int
) -> dict[str, str]:
    """The header fields of an attempt.

    Args:
        delivery_id: the same in all attempts of a delivery, so that a receiver knows it again.
        body: exactly as it is sent.
        secrets: `whsec_` and base64, the newest first; at least one.
        now_ms: milliseconds since 1970; receivers refuse what is older than some minutes.

    Raises:
        ValueError: a secret is not of this form.
    """
    seconds, millis = str(now_ms // 1000), str(now_ms)
    signed = b"%b.%b.%b" % (delivery_id.encode(), seconds.encode(), body)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(_standard(key_of(secret), signed) for secret in secrets),
        "X-Event-Type": event_type,
        "X-Timestamp": millis,
        "X-Webhook-Signature": hmac.new(
            secrets[0].encode(), body + millis.encode(), hashlib.sha256
        ).hexdigest(),
    }


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for.

    Raises:
        ValueError: it is not `whsec_` and base64.
    """
    try:
        if secret.startswith(PREFIX):
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        pass
    raise ValueError("the webhook's secret is not whsec_ and base64: rotate it")


def _standard(key: bytes, signed: bytes) -> str:
    # `hmac.digest` lets go of the interpreter whatever the size, and waits to have it back: 0.2 ms
    # beside a busy thread, for 5 µs of work.
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
