"""The public tool meets the limits of a hub as it comes: refused, and told so as documented."""

from pathlib import Path

from tests.api.doorway import opened
from tests.conformance.api.tool import run


def test_the_default_rate_limit_is_a_documented_answer(tmp_path: Path) -> None:
    with opened(tmp_path, {"HUB_RATE_LIMIT": ""}) as world:
        found = run(
            world.hub.url,
            world.keys["merchant"],
            ("examples", "fuzzing"),
            own_key_id=world.ids["merchant"],
            examples=3,
            limited=True,
        )
    assert found.findings == [], "\n\n".join(found.findings)
    assert found.statuses[429] > 0
    # The limit is 100 in 15 minutes of each key, and health, sign-in and tickets have others.
    assert 25 < sum(count for status, count in found.statuses.items() if status < 300) < 250
