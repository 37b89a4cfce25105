"""Tickets with a clock that the test moves: good once, for a while, as long as what is behind."""

import tracemalloc
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, multiple, rule

from hub.tickets import SIGN_IN_SECONDS, TICKET_SECONDS, Behind, Tickets
from tests.limits.clock import Clock

KEYS = st.sampled_from(["key-1", "key-2", "key-3"])
BROWSERS = st.sampled_from([None, "browser-1", "browser-2"])


def test_a_ticket_is_good_for_thirty_seconds_and_once() -> None:
    clock = Clock(1000.0)
    tickets = Tickets(clock)
    behind = Behind("key", None)
    early, late, later = (tickets.issue(behind) for _ in range(3))
    clock.now += TICKET_SECONDS - 0.001
    assert TICKET_SECONDS == 30
    assert tickets.redeem(early) == behind
    assert tickets.redeem(early) is None
    clock.now += 0.001
    assert tickets.redeem(late) is None
    clock.now -= 1
    assert tickets.redeem(late) is None, "it is gone, whatever the clock says"
    assert tickets.redeem(later) == behind


def test_a_link_is_good_for_longer() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    ticket = tickets.issue(Behind("key", None), SIGN_IN_SECONDS)
    clock.now = 15 * 60 - 1
    assert tickets.redeem(ticket) == Behind("key", None)


def test_tickets_that_nobody_uses_cost_nothing_for_long() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    behind = Behind("key", None)
    for _ in range(1000):
        tickets.issue(behind)
    tracemalloc.start()
    try:
        for _ in range(5_000):
            clock.now += 1
            tickets.issue(behind)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 500_000


class Issued(NamedTuple):
    """A ticket, what is behind it, and when it ends."""

    ticket: str
    behind: Behind
    ends: float


class TicketsMachine(RuleBasedStateMachine):
    """Any order of issuing, using, forgetting and waiting, beside a plain account of it."""

    unused = Bundle("unused")
    spent = Bundle("spent")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.tickets = Tickets(self.clock)
        self.void: set[str] = set()
        self.known: list[Issued] = []

    @rule(target=unused, key=KEYS, browser=BROWSERS, seconds=st.integers(1, 60))
    def issue(self, key: str, browser: str | None, seconds: int) -> Issued:
        behind = Behind(key, browser)
        made = Issued(self.tickets.issue(behind, seconds), behind, self.clock.now + seconds)
        assert made.ticket not in {other.ticket for other in self.known}
        self.known.append(made)
        return made

    @rule(target=unused, count=st.integers(100, 300), seconds=st.integers(1, 3))
    def issue_many(self, count: int, seconds: int) -> object:
        return multiple(*[self.issue("key-3", None, seconds) for _ in range(count)][:3])

    @rule(target=spent, made=consumes(unused))
    def use(self, made: Issued) -> Issued:
        good = self.clock.now < made.ends and made.ticket not in self.void
        assert self.tickets.redeem(made.ticket) == (made.behind if good else None)
        return made

    @rule(made=spent)
    def use_again(self, made: Issued) -> None:
        assert self.tickets.redeem(made.ticket) is None

    @rule(text=st.text())
    def use_what_is_none(self, text: str) -> None:
        assert self.tickets.redeem(text) is None

    @rule(key=KEYS)
    def forget_key(self, key: str) -> None:
        self.tickets.forget_key(key)
        self.void |= {made.ticket for made in self.known if made.behind.key_id == key}

    @rule(browser=st.sampled_from(["browser-1", "browser-2"]))
    def forget_browser(self, browser: str) -> None:
        self.tickets.forget_browser(browser)
        self.void |= {made.ticket for made in self.known if made.behind.browser == browser}

    @rule(seconds=st.integers(0, 20))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds


TestTickets = TicketsMachine.TestCase
TestTickets.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
