"""What the page knows of the hub's rules is what the hub's own tables say."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, get_args

from hub.commands import transitions
from hub.commands.table import COMMANDS
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
