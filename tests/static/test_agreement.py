"""What the page knows of the hub's rules is what the hub's own tables say."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from hub.commands import transitions
from hub.commands.table import COMMANDS
from hub.templates import limits
from hub.templates.language import split
from hub.tokens import Role
from tests.static.test_node import node as node

STATIC = Path(__file__).resolve().parents[2] / "static"


def evaluated(node: str, script: str) -> Any:
    """What a module that is given as text exports as `value`, through JSON."""
    code = f"{script}\nconsole.log(JSON.stringify(value));"
    ran = subprocess.run(
        [node, "--input-type=module", "-e", code], capture_output=True, text=True, check=True,
        cwd=STATIC, timeout=60,
    )  # fmt: skip
    return json.loads(ran.stdout)


def test_a_screen_offers_what_the_hub_lets_a_role_do(node: str) -> None:
    texts = "\n".join(path.read_text() for path in STATIC.rglob("*.js"))
    used = {name for name in re.findall(r"'([a-z_]+\.[a-z_]+)'", texts) if name in COMMANDS}
    assert {"orders.set_status", "products.delete", "audit.list"} <= used
    asked = [[role, name] for name in sorted(used) for role in get_args(Role)]
    offered = evaluated(
        node,
        f"import {{ may }} from '{STATIC}/state/permissions.js';"
        f"const value = {json.dumps(asked)}.map(([role, method]) => may(role, method));",
    )
    allowed = [role in COMMANDS[name].roles for role, name in asked]
    differing = [
        pair for pair, here, there in zip(asked, offered, allowed, strict=True) if here != there
    ]
    assert differing == []


def test_the_board_moves_orders_as_the_hub_does(node: str) -> None:
    following = evaluated(node, f"import {{ FOLLOWING as value }} from '{STATIC}/state/orders.js';")
    assert following == {old: list(new) for old, new in transitions.ORDER.items()}


def test_the_limits_of_templates_are_those_of_the_hub(node: str) -> None:
    texts = STATIC / "state/template-text.js"
    here = evaluated(node, f"import {{ LIMITS as value }} from '{texts}';")
    named = {
        "text": limits.TEXT, "body": limits.BODY, "header": limits.HEADER,
        "footer": limits.FOOTER, "opener": limits.OPENER, "label": limits.LABEL,
        "buttonId": limits.BUTTON_ID, "sectionTitle": limits.SECTION_TITLE,
        "rowTitle": limits.ROW_TITLE, "rowDescription": limits.ROW_DESCRIPTION,
        "rowId": limits.ROW_ID, "address": limits.ADDRESS,
    }  # fmt: skip
    # The name and the description are bounds of what is stored, not of a message.
    assert here == named | {"name": 50, "description": 200}
    counts = evaluated(
        node, f"import {{ BUTTONS, CHOICES }} from '{texts}'; const value = [BUTTONS, CHOICES];"
    )
    assert counts == [limits.BUTTONS, limits.CHOICES]


TEXTS = [
    "", "héllo", "👨\u200d👩\u200d👧 🇿🇼", "{{a}} {{ b }} {{\ta\n}}", "{{bad name}} {{}} {{a",
    "{{{a}}}",
    "{{\x1ca\x85}} {{\ufeffa}} {{a\u00a0}}", "{{" + "n" * 64 + "}} {{" + "n" * 65 + "}}",
    "https://h/{{a}}?q={{b}}",
]  # fmt: skip
VALUES = {"a": "é (1)! {{b}} 'x' /", "b": "😀*~"}


def test_characters_and_variables_are_counted_as_the_hub_does(node: str) -> None:
    here = evaluated(
        node,
        f"import {{ lengthOf, variablesOf }} from '{STATIC}/state/template-text.js';"
        f"const value = {json.dumps(TEXTS)}.map((text) => [variablesOf([text]), lengthOf(text),"
        f" lengthOf(text, {json.dumps(VALUES)}), lengthOf(text, {json.dumps(VALUES)}, true)]);",
    )
    there = []
    for text in TEXTS:
        parts = split(text)
        names, literals = parts[1::2], sum(map(len, parts[::2]))
        plain = sum(len(VALUES.get(name, "")) for name in names)
        encoded = sum(len(quote(VALUES.get(name, ""), safe="")) for name in names)
        there.append([list(dict.fromkeys(names)), literals, literals + plain, literals + encoded])
    assert here == there
