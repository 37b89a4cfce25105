"""What becomes of a group, against a plain model of the log."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.stream.append import Appended, Batch, append
from storage import events
from storage.database import Database, Transaction
from storage.scope import HUB
from tests.storage.samples import new_id
from tests.storage.support import emptied
from tests.stream.support import draft, shown, stored, unframed


class Spec(NamedTuple):
    """One event of a group, as hypothesis draws it."""

    id: str | None
    merchant_id: str
    type: str
    subject: str | None
    data: int
    volatile: bool

    @property
    def content(self) -> tuple[str, str | None, int]:
        return self.type, self.subject, self.data


@dataclass
class Known:
    """An id in the model; `content` is None once retention removed its event."""

    offset: int
    content: tuple[str, str | None, int] | None


class Model:
    """The log as a dictionary."""

    def __init__(self) -> None:
        self.head = 0
        self.retired = 0
        self.known: dict[tuple[str, str], Known] = {}
        self.events: dict[int, Spec] = {}

    def add(self, spec: Spec) -> object:
        if spec.volatile:
            return None, False
        known = self.known.get((spec.merchant_id, spec.id)) if spec.id is not None else None
        if known is not None:
            same = known.content in (None, spec.content)
            return (known.offset, True) if same else "conflict"
        self.head += 1
        if spec.id is not None:
            self.known[spec.merchant_id, spec.id] = Known(self.head, spec.content)
        self.events[self.head] = spec
        return self.head, False

    def append(self, specs: Sequence[Spec], *, atomic: bool) -> list[object]:
        before = copy.deepcopy((self.head, self.known, self.events))
        outcomes = [self.add(spec) for spec in specs]
        if atomic and "conflict" in outcomes:
            self.head, self.known, self.events = before
            return ["conflict"] * len(specs)
        return outcomes

    def retire(self, count: int) -> None:
        last = min(self.head, self.retired + count)
        for offset in range(self.retired + 1, last + 1):
            del self.events[offset]
        self.retired = last
        for known in self.known.values():
            if known.offset <= last:
                known.content = None


specs = st.builds(
    Spec,
    id=st.sampled_from([None, "a", "b", "c"]),
    merchant_id=st.sampled_from(["m1", "m2"]),
    type=st.sampled_from(["custom_a", "custom_a", "custom_b"]),
    subject=st.sampled_from([None, None, "order/1"]),
    data=st.sampled_from([1, 1, 1, 2]),
    volatile=st.sampled_from([False] * 9 + [True]),
)
batches = st.tuples(st.lists(specs, max_size=4), st.booleans())
groups = st.lists(batches, min_size=1, max_size=4)
histories = st.lists(st.one_of(groups, st.integers(0, 5)), min_size=1, max_size=5)


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories)
async def test_groups_become_what_the_model_says(
    database: Database, history: list[list[tuple[list[Spec], bool]] | int]
) -> None:
    await emptied(database)
    await started(database)
    model = Model()
    for step in history:
        if isinstance(step, int):
            await retire(database, step)
            model.retire(step)
            continue
        first = model.head + 1
        expected = [model.append(group, atomic=atomic) for group, atomic in step]
        appended = await appended_to(database, step)
        assert [[shown(o) for o in outcomes] for outcomes in appended.outcomes] == expected
        assert appended.head == model.head
        numbered = [entry for entry in appended.entries if entry.offset]
        assert [entry.offset for entry in numbered] == list(range(first, model.head + 1))
        for entry in numbered:
            spec = model.events[entry.offset]
            assert (entry.merchant_id, entry.type, entry.subject) == spec[1:4]
            [frame] = unframed(entry.frame)
            assert (frame["offset"], frame["data"]) == (entry.offset, {"n": spec.data})
    rows = {
        offset: (frame["merchant_id"], frame["type"], frame.get("subject"), frame["data"])
        for offset, frame in await stored(database)
    }
    assert rows == {
        offset: (spec.merchant_id, spec.type, spec.subject, {"n": spec.data})
        for offset, spec in model.events.items()
    }


async def started(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await events.ensure_log(tx, "epoch")

    await database.write(work, HUB)


async def retire(database: Database, count: int) -> None:
    async def work(tx: Transaction) -> int:
        return await events.retire(tx, 2**53, count)

    await database.write(work, HUB)


async def appended_to(database: Database, group: Sequence[tuple[list[Spec], bool]]) -> Appended:
    drafts = [
        Batch(
            [
                draft(
                    spec.id,
                    {"n": spec.data},
                    type_=spec.type,
                    merchant_id=spec.merchant_id,
                    subject=spec.subject,
                    volatile=spec.volatile,
                )
                for spec in specs
            ],
            atomic,
        )
        for specs, atomic in group
    ]
    return await database.write(lambda tx: append(tx, drafts, 1000, new_id), HUB)


async def test_an_atomic_refusal_frees_its_ids_for_the_same_group(database: Database) -> None:
    await started(database)
    one = Spec("a", "m1", "custom_a", None, 1, False)
    other = one._replace(data=2)
    appended = await appended_to(
        database, [([one._replace(id="b"), one, other], True), ([other], False), ([one], False)]
    )
    assert [[shown(o) for o in outcomes] for outcomes in appended.outcomes] == [
        ["conflict"] * 3,
        [(1, False)],
        ["conflict"],
    ]


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 511, 512, 513, 600])
async def test_a_group_of_any_size_is_stored_whole(database: Database, count: int) -> None:
    await started(database)
    group = [Spec(f"id-{number}", "m1", "custom_a", None, number, False) for number in range(count)]
    appended = await appended_to(database, [(group, False)])
    assert [shown(o) for o in appended.outcomes[0]] == [(n, False) for n in range(1, count + 1)]
    again = await appended_to(database, [(group, False)])
    assert [shown(o) for o in again.outcomes[0]] == [(n, True) for n in range(1, count + 1)]
    found = await stored(database)
    assert [(offset, frame["data"]["n"]) for offset, frame in found] == [
        (number + 1, number) for number in range(count)
    ]
