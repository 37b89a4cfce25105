"""Rules that no schema can say: where one of them speaks, what fits the schema is refused with 422.

A refusal counts as one of these only where it names nothing but the fields below: anything else
that the document allows and the hub refuses is a finding.
"""

import re
from typing import Any

ANYWHERE = ("/merchant_id",)
"""An admin says for which merchant, and the merchant must be there."""

_CONTENT = (
    "/(template/)?(header|body|footer|button_text|buttons|sections|media|variables"
    "|example_payload)(/.*)?"
)
_CONTENT_RULE = "what a template of each type has and has not, and the limits of WhatsApp"
_MANY = {
    "(/ids)?": "ids, or what jobs have in common, one of the two",
    "/state": "states in which such a change is possible",
}
_SENT = {
    "/to": "whom a gateway can reach",
    "/text": "a text or a template, one of the two, that says something",
    "/template|/template_id|/variables/.*": "an active template of the merchant, and its values",
    "/send_at|/expires_at": "times ahead, the second one later",
}
_RECURRING = {
    "/schedule": "five fields of cron that come some time",
    "/time_zone": "a name of the IANA database",
    "/args(/.*)?": "what the task takes",
}
_WEBHOOK = {
    "/url": "an address of http or https",
    "/event_types/[0-9]+": "a type that the hub knows, or a prefix of one",
}

RULES: dict[str, dict[str, str]] = {
    "delivery_tasks.create": {"/order_id": "an order of the merchant"},
    "jobs.list": {"/after": "the next of a page before"},
    "jobs.cancel_all": _MANY,
    "jobs.discard_all": _MANY,
    "jobs.retry_all": _MANY,
    "media.upload": {
        "(/file_data|/file)?": "base64 of a picture, or a picture",
        "/file_name|/mime_type": "a name and a type that a file may have",
        "/id": "a UUID; a form says no patterns",
        "/expires_at": "a time to come",
    },
    "messages.bulk": _SENT,
    "messages.send": _SENT,
    "orders.create": {
        "/items/[0-9]+/product_id": "an active product of the merchant, once in an order",
        "/items(/[0-9]+)?": "products of one currency, and a total that a number holds",
    },
    "products.set_media": {
        "/media_ids/[0-9]+": "a picture of the merchant, once",
        "/primary": "one of media_ids",
    },
    "recurring.create": _RECURRING,
    "recurring.update": _RECURRING,
    "templates.create": {_CONTENT: _CONTENT_RULE},
    "templates.preview": {
        _CONTENT: _CONTENT_RULE,
        "/template_id": "a template by its id or as it is, one of the two",
    },
    "templates.update": {_CONTENT: _CONTENT_RULE},
    "webhooks.create": _WEBHOOK,
    "webhooks.update": _WEBHOOK,
    "audit.list": {"/limit": "a file has all rows that match"},
    "events.list": {"/last": "last and since exclude each other"},
    "keys.create": {
        "/merchant_id": "admin keys belong to no merchant, the others to one",
        "/expires_at": "a time to come, and no later than the end of the key that makes it",
    },
    "session.sign_in": {"": "a ticket or a key, one of the two"},
    "session.sign_out": {"": "there is a browser's session to end"},
}
"""By operation: the pointers that a refusal may name, as patterns, and why."""


def is_a_rule(operation: str, response: Any) -> bool:
    """Whether an answer is the refusal of a rule that no schema can say."""
    if response.status_code != 422:
        return False
    problem = response.json()
    pointers = [error["pointer"] for error in problem.get("errors", ())] or [""]
    allowed = [*ANYWHERE, *RULES.get(operation, ())]
    return all(any(re.fullmatch(rule, pointer) for rule in allowed) for pointer in pointers)
