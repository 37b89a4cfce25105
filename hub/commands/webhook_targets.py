"""What a webhook may be: an address that can be called, and events that there are."""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from hub.protocol.errors import FieldError
from hub.protocol.events import (
    CORE_TYPES,
    HUB_TYPES,
    PUBLISHED_TYPES,
    VOLATILE_TYPES,
    is_custom,
)
from hub.protocol.filters import fault_of

TOLD = ({*CORE_TYPES} | PUBLISHED_TYPES | HUB_TYPES) - VOLATILE_TYPES - {
    "webhook_failed", "webhook_disabled",
}  # fmt: skip
"""Types of which a webhook hears, beside `custom_*`. What tells of webhooks would go round in
circles."""
_CUSTOM = "custom_"

_URI = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+", re.ASCII)
"""The characters of RFC 3986, `#` excepted."""
_HOST = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?"
)
_HOST_CHARACTERS = 253


def faults_of_url(url: str) -> list[FieldError]:
    """Why an address cannot be called; empty where it can be."""
    fault = _fault_of_url(url)
    return [] if fault is None else [FieldError("/url", fault)]


def _fault_of_url(url: str) -> str | None:
    if "#" in url:
        return "a fragment (#…) is never sent: leave it out"
    if _URI.fullmatch(url) is None:
        return "an address has the characters of a URI; percent-encode the others (RFC 3986)"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "this is no address: https://host:port/path"
    if parts.scheme not in ("https", "http"):
        return "an address begins with https:// or http://"
    if "@" in parts.netloc:
        return "an address has no user name or password: calls are signed with the secret"
    if not host or port == 0 or not _is_host(host, bracketed="[" in parts.netloc):
        return "an address needs a host that can be called: https://host:port/path"
    return None


def _is_host(host: str, *, bracketed: bool) -> bool:
    if bracketed or host.replace(".", "").isdigit():
        try:
            return (ip_address(host).version == 6) == bracketed
        except ValueError:
            return False
    return len(host) <= _HOST_CHARACTERS and _HOST.fullmatch(host) is not None


def faults_of_types(patterns: Sequence[str]) -> list[FieldError]:
    """Which patterns are none, match nothing, or stand there twice."""
    faults = []
    for number, pattern in enumerate(patterns):
        fault = fault_of(pattern) or _fault_of_type(pattern)
        if fault is None and pattern in patterns[:number]:
            fault = "stands there already"
        if fault is not None:
            faults.append(FieldError(f"/event_types/{number}", fault))
    return faults


def _fault_of_type(pattern: str) -> str | None:
    if pattern.endswith("*"):
        start = pattern[:-1]
        custom = _CUSTOM.startswith(start) or is_custom(f"{start}x")
        if custom or any(type_.startswith(start) for type_ in TOLD):
            return None
        return f"no event's type begins with {start!r}"
    if pattern in TOLD or is_custom(pattern):
        return None
    if pattern in VOLATILE_TYPES:
        return f"{pattern} has no place in the log, so that no webhook hears of it"
    if pattern in HUB_TYPES:
        return f"{pattern} tells of webhooks, so that no webhook hears of it"
    return f"{pattern!r} is no type of an event; there are {', '.join(sorted(TOLD))}, custom_*"
