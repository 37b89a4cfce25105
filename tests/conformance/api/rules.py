"""Rules that no schema can say: where one of them speaks, what fits the schema is refused with 422.

A refusal counts as one of these only where it names nothing but the fields below: anything else
that the document allows and the hub refuses is a finding.
"""

import re
from typing import Any

ANYWHERE = ("/merchant_id",)
"""An admin says for which merchant, and the merchant must be there."""

RULES: dict[str, dict[str, str]] = {
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
