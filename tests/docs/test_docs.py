"""The documentation names what the code has: every setting, error code and close code."""

import re
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from hub.protocol.codes import CloseCode, ErrorCode
from hub.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)")
CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
NOT_OURS = {".venv", "node_modules", "data", "build", "dist", "vendor"}

SETTINGS = {f"HUB_{field.name.upper()}" for field in msgspec.structs.fields(Settings)}


def documents() -> list[Path]:
    """Every Markdown page of the project itself."""
    return [
        path
        for path in sorted(ROOT.rglob("*.md"))
        if not any(
            part in NOT_OURS or part.startswith(".") for part in path.relative_to(ROOT).parts
        )
    ]


def names_in(page: str) -> set[str]:
    """The settings that a page names; a family such as HUB_WHATSAPP_* is not one."""
    return set(re.findall(r"\bHUB_[A-Z0-9_]*[A-Z0-9]\b(?!_?\*)", read(page)))


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_the_readme_shows_the_two_commands(command: str) -> None:
    assert command in read("README.md")


def test_every_setting_is_documented() -> None:
    assert sorted(SETTINGS - names_in("docs/settings.md")) == []


def test_every_documented_setting_exists() -> None:
    named = {name.removesuffix("_FILE") for name in names_in("docs/settings.md")}
    assert sorted(named - SETTINGS) == []


@pytest.mark.parametrize("code", ErrorCode, ids=str)
def test_every_error_code_is_documented(code: ErrorCode) -> None:
    assert f"`{code}`" in read("docs/protocol.md")


@pytest.mark.parametrize("code", CloseCode, ids=lambda code: str(int(code)))
def test_every_close_code_is_documented(code: CloseCode) -> None:
    assert re.search(rf"\b{int(code)}\b", read("docs/protocol.md"))


@pytest.mark.parametrize("page", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    prose = CODE.sub("", page.read_text(encoding="utf-8"))
    targets = [link.partition("#")[0] for link in LINK.findall(prose)]
    relative = [target for target in targets if target and not re.match(r"[a-z]+:", target)]
    missing = [target for target in relative if not (page.parent / unquote(target)).exists()]
    assert missing == []


# ── security ─────────────────────────────────────────────────────────────────────────────────────

PROMISE = re.compile(
    r"^\| (?!promise)(?P<promise>[^|-][^|]*) \| (?P<tests>[^|]*`[^|]*) \|$", re.MULTILINE
)
PROMISES = {match["promise"]: match["tests"] for match in PROMISE.finditer(read("SECURITY.md"))}


def test_security_makes_promises() -> None:
    assert len(PROMISES) >= 15


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise[:50])
def test_every_promise_of_security_names_tests_that_exist(promise: str) -> None:
    named = re.findall(r"`([^`]+)`", PROMISES[promise])
    assert named
    for name in named:
        page, _, function = name.partition("::")
        assert (ROOT / page).is_file(), name
        if function:
            defined = rf"^(async )?def {re.escape(function)}\("
            assert re.search(defined, read(page), re.MULTILINE), name
