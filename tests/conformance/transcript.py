"""Wire transcripts: their format, its reader, and the matching of frames.

A transcript is a `.jsonl` file: one connection, one JSON object a line, told from the client's
side. The first line is the header, the second opens the connection, the others follow in order.

    {"note": "what it shows", "for": ["server", "client"], "sdk": "events", "slow": true}
        `sdk`: how an SDK takes part, by `events` (it follows what the query asks for) or
        `publish` (it sends the client's events); absent where an SDK has no such part. `for`: who
        is tested with it; if absent the server, and with `sdk` the client too. `slow`: it takes
        about 10 s or longer.
    {"given": {…an event…}, "as": "o1"}       an event that is in the log before, and its offset
    {"connect": {"role": "bot", "by": "header", "query": {…}, "headers": {…}}}
        `by`: header, x-api-key, query or none; `role`: bot, merchant, viewer or admin.
    {"refused": 403}                          the handshake is answered by this status instead
    {"client": {…a frame…}}                   or {"raw": parts}, {"bytes": "hex of a text message"},
                                              {"binary": "hex"}, {"fragments": [text, …]}
    {"server": {…a pattern…}}                 the next frame of the hub
    {"unordered": [{…}, {…}]}                 the next frames, in any order
    {"stale": {…an event…}}                   a repeat from the hub that a client must not give out
    {"close": 4001}                           the hub closes with this code

`parts` is a list of texts, or [text, count] for a repeated one. Heartbeats of the hub are passed
over wherever no pattern asks for one; so are `error` and `bye` right before a close.

Patterns and their placeholders: see `bindings`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.bindings import FormatError, Json

HERE = Path(__file__).parent

KINDS = ("given", "connect", "refused", "client", "server", "unordered", "stale", "close")


@dataclass(frozen=True)
class Step:
    """One line: its kind, its content, and where it stands."""

    kind: str
    content: Json
    line: int
    name: str | None = None


@dataclass(frozen=True)
class Transcript:
    """One file.

    Attributes:
        given: events that are in the log before.
        connect: how the connection is opened.
        steps: what happens then.
    """

    name: str
    note: str
    players: tuple[str, ...]
    sdk: str | None
    slow: bool
    given: tuple[Step, ...]
    connect: Json
    steps: tuple[Step, ...]


def transcripts(player: str) -> list[Transcript]:
    """All transcripts for `server` or `client`, by name."""
    found = [load(path) for path in sorted(HERE.glob("*.jsonl"))]
    return [one for one in found if player in one.players]


def load(path: Path) -> Transcript:
    """Read one file.

    Raises:
        FormatError: it breaks the format.
    """
    return parse(path.stem, path.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Transcript:
    """Read a transcript from its text.

    Raises:
        FormatError: it breaks the format.
    """
    lines = list(_lines(name, text))
    number, header = lines[0] if lines else (1, None)
    if not isinstance(header, dict) or not isinstance(header.get("note"), str):
        raise FormatError(f'{name}:{number}: the first line is the header: {{"note": …}}')
    if unknown := header.keys() - {"note", "for", "sdk", "slow"}:
        raise FormatError(f"{name}:{number}: the header knows no {sorted(unknown)}")
    steps = [_step(name, number, line) for number, line in lines[1:]]
    given = [step for step in steps if step.kind == "given"]
    rest = [step for step in steps if step.kind != "given"]
    if not rest or rest[0].kind != "connect" or steps[: len(given)] != given:
        raise FormatError(f"{name}: what is given comes first, then the connection is opened")
    players = tuple(header.get("for", ("server", "client") if "sdk" in header else ("server",)))
    if "client" in players and header.get("sdk") not in ("events", "publish"):
        raise FormatError(f"{name}: a client is tested by its events or by what it publishes")
    return Transcript(
        name,
        header["note"],
        players,
        header.get("sdk"),
        bool(header.get("slow")),
        tuple(given),
        rest[0].content,
        tuple(rest[1:]),
    )


def _lines(name: str, text: str) -> Iterator[tuple[int, Json]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise FormatError(f"{name}:{number}: {error}") from None


def _step(name: str, number: int, line: Json) -> Step:
    kinds = [kind for kind in KINDS if isinstance(line, dict) and kind in line]
    if len(kinds) != 1 or line.keys() - {kinds[0], "as"}:
        raise FormatError(f"{name}:{number}: a line has exactly one of {', '.join(KINDS)}")
    return Step(kinds[0], line[kinds[0]], number, line.get("as"))


def message_of(content: Json) -> str | bytes | list[str] | None:
    """The message that a `client` line spells out in raw form; None where it is a frame.

    Returns:
        Text to send as text, bytes to send as text unchecked, or a list of text fragments.
    """
    if "raw" in content:
        parts = content["raw"]
        return "".join(
            part if isinstance(part, str) else part[0] * part[1]
            for part in ([parts] if isinstance(parts, str) else parts)
        )
    if "bytes" in content:
        return bytes.fromhex(content["bytes"])
    if "fragments" in content:
        return list(content["fragments"])
    return None
