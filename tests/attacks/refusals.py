"""What an attacker must have been told."""

from tests.attacks.lines import Seen

_CUT = ("eof", "reset")
"""A close frame can be lost: the kernel throws it away when the attacker's bytes lie unread."""


def closed(seen: Seen, code: str, at_least: int) -> None:
    """Connections were closed with this code, and with no other."""
    closed_or_held(seen, code)
    assert seen.ends[code] >= at_least, seen


def closed_or_held(seen: Seen, *codes: str) -> None:
    """Connections were closed with these codes alone, or not read further."""
    assert set(seen.ends) <= {*codes, *_CUT, "open", "refused"}, seen
    told = sum(seen.ends[code] for code in codes)
    cut = sum(seen.ends[how] for how in _CUT)
    assert cut <= max(2, told), f"most were cut without a word: {seen}"


def answered(seen: Seen, *frames: str) -> None:
    """The protocol's own answers came, each at least once."""
    assert all(seen.frames[frame] for frame in frames), seen


def refused(seen: Seen, *statuses: str, at_least: int = 1) -> None:
    """HTTP answers with each of these statuses came, at least so many of each."""
    assert all(seen.statuses[status] >= at_least for status in statuses), seen
