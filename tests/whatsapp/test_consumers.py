"""The gateways themselves take our messages: their published types compile against them, and
their code sends them.

The packages come from npm, pinned and with their hashes in `consumers/package-lock.json`. Its
`overrides` leave out what these tests do not run: browsers, sound, telephone numbers; and one
that has no place in the registry. Renew it with `npm install --package-lock-only` in that folder.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from hub.whatsapp.messages import Format
from hub.whatsapp.replies import parse

from .examples import EXAMPLES
from .taps import offered, replied

pytestmark = pytest.mark.slow

CONSUMERS = Path(__file__).parent / "consumers"
MODULES = CONSUMERS / "node_modules"
INSTALLING = 150
"""Seconds for npm; on an idle machine it takes 7."""
WORKING = 140
"""Seconds for the compiler, which takes 4, and for Baileys."""

BAILEYS = {name: example.converted("baileys").message for name, example in EXAMPLES.items()}
NATIVE = {name: example.converted("baileys_native").message for name, example in EXAMPLES.items()}
WEB = {name: example.converted("whatsapp-web.js").message for name, example in EXAMPLES.items()}


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the consumers installed; the reason if that cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        unavailable("no Node.js with npm on PATH")
    wanted = hashlib.sha256((CONSUMERS / "package-lock.json").read_bytes()).hexdigest()
    stamp = MODULES / ".installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        ran = subprocess.run(
            [npm, "ci"], cwd=CONSUMERS, capture_output=True, text=True, timeout=INSTALLING
        )
        if ran.returncode != 0:
            unavailable(f"npm ci: {ran.stdout}{ran.stderr}")
        stamp.write_text(wanted)
    return node


def unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


Answers = dict[tuple[str, ...], Any]


def has_choices(message: Any) -> bool:
    return not {"buttons", "sections", "viewOnceMessage"}.isdisjoint(message)


def tasks() -> Answers:
    """What run.mjs is asked, by a name of the task and what it is about."""
    asked: Answers = {}
    for name, message in BAILEYS.items():
        if "text" in message:
            asked["older", name] = message
        if "text" in message and not has_choices(message):
            asked["newer", name] = message
    for name, message in NATIVE.items():
        if has_choices(message):
            asked["relayed", name] = message
    forms: list[tuple[Format, Any]] = [("baileys", BAILEYS), ("baileys_native", NATIVE)]
    for format_, messages in forms:
        for name, message in messages.items():
            for id_, title in offered(message, format_):
                reply = replied(message, format_, id_, title)
                asked["received", format_, name, id_] = reply["message"]
    return asked


@pytest.fixture(scope="module")
def answers(node: str) -> Answers:
    """What came of the tasks; all in one process, because it takes a second to start."""
    asked = tasks()
    ran = subprocess.run(
        [node, "run.mjs"],
        cwd=CONSUMERS,
        input=json.dumps([[name[0], message] for name, message in asked.items()]),
        capture_output=True,
        text=True,
        timeout=WORKING,
    )
    assert ran.returncode == 0, ran.stderr
    return dict(zip(asked, json.loads(ran.stdout), strict=True))


HEAD = """
import type { AnyMessageContent as Newer, proto as NewerProto } from "baileys";
import type { AnyMessageContent as OlderContent, proto as OlderProto } from "baileys-with-buttons";
import type { MessageContent, MessageMedia, MessageSendOptions } from "whatsapp-web.js";

// Baileys sets headerType itself; older programs read it, its types do not name it.
type Older = OlderContent & { headerType?: OlderProto.Message.ButtonsMessage.HeaderType };
type Media = MessageMedia & Pick<MessageSendOptions, "caption">;
"""


def assignments() -> list[tuple[str, str, Any]]:
    """A name, a type and a message that must be of it."""
    found = []
    for name, message in BAILEYS.items():
        found.append((f"baileys/{name}", "Older", message))
        if not has_choices(message):
            found.append((f"baileys/{name}", "Newer", message))
    for name, message in NATIVE.items():
        types = ["NewerProto.IMessage", "OlderProto.IMessage"]
        for type_ in types if has_choices(message) else ["Newer", "Older"]:
            found.append((f"baileys_native/{name}", type_, message))
    for name, message in WEB.items():
        type_ = "MessageContent" if isinstance(message, str) else "Media"
        found.append((f"whatsapp-web.js/{name}", type_, message))
    return found


def spoiled(message: Any) -> list[Any]:
    """The message with a member that nobody knows, and with each text of its own a number."""
    if not isinstance(message, dict):
        return [5]
    wrong = [message | {key: 5} for key, value in message.items() if isinstance(value, str)]
    return [message | {"unheard-of": 1}, *wrong]


def test_the_published_types_compile_against_our_messages(node: str, tmp_path: Path) -> None:
    lines = [HEAD]
    for number, (name, type_, message) in enumerate(assignments()):
        lines.append(f"// {name}")
        lines.append(f"export const m{number}: {type_} = {json.dumps(message)};")
        for place, wrong in enumerate(spoiled(message)):
            # Otherwise a type that is missing, and so is `any`, would take everything.
            lines.append("// @ts-expect-error")
            lines.append(f"export const m{number}_{place}: {type_} = {json.dumps(wrong)};")
    (tmp_path / "messages.ts").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(MODULES)
    compiler = MODULES / "typescript" / "bin" / "tsc"
    options = "--noEmit --strict --skipLibCheck --module nodenext --target es2022 --types node"
    ran = subprocess.run(
        [node, str(compiler), *options.split(), "messages.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WORKING,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", [n for n, m in BAILEYS.items() if "buttons" in m])
def test_baileys_sends_our_buttons(answers: Answers, name: str) -> None:
    ours: Any = BAILEYS[name]
    sent = answers["older", name]["buttonsMessage"]
    assert sent["contentText"] == ours["text"]
    assert sent.get("footerText") == ours.get("footer")
    assert sent["buttons"] == [button | {"type": "RESPONSE"} for button in ours["buttons"]]


@pytest.mark.parametrize("name", [n for n, m in BAILEYS.items() if "sections" in m])
def test_baileys_sends_our_lists(answers: Answers, name: str) -> None:
    ours: Any = BAILEYS[name]
    sent = answers["older", name]["listMessage"]
    assert sent["description"] == ours["text"]
    assert sent["buttonText"] == ours["buttonText"]
    assert sent["sections"] == ours["sections"]
    assert sent.get("title") == ours.get("title")
    assert sent.get("footerText") == ours.get("footer")


@pytest.mark.parametrize("release", ["older", "newer"])
@pytest.mark.parametrize("name", [n for n in EXAMPLES if n.startswith("text")])
def test_baileys_sends_our_texts(answers: Answers, release: str, name: str) -> None:
    ours: Any = BAILEYS[name]
    assert answers[release, name]["extendedTextMessage"]["text"] == ours["text"]


@pytest.mark.parametrize("name", [n for n, m in NATIVE.items() if "viewOnceMessage" in m])
def test_baileys_relays_our_native_flows_whole(answers: Answers, name: str) -> None:
    assert answers["relayed", name] == NATIVE[name]


@pytest.mark.parametrize("name", [n for n, m in BAILEYS.items() if has_choices(m)])
@pytest.mark.parametrize("format_", ["baileys", "baileys_native"])
def test_a_reply_that_baileys_hands_over_is_read(
    answers: Answers, format_: Format, name: str
) -> None:
    for choice in EXAMPLES[name].converted(format_).choices:
        read = parse({"key": {}, "message": answers["received", format_, name, choice.id]})
        assert read is not None
        assert (read.id, read.title) == (choice.id, choice.title)
