"""The attacker's process: `python -m tests.attacks.attacker NAME`, its target on standard input.

What it saw goes to standard output as JSON. It gives way to everybody: an attacker that takes the
measuring process's time would only spoil the measurement.
"""

import os
import sys

import msgspec

from tests.attacks import frames, messages, readers, requests
from tests.attacks.lines import Target

NICE = 5


def main() -> None:
    """Run one attack."""
    os.nice(NICE)
    name = sys.argv[1]
    target = msgspec.json.decode(sys.stdin.buffer.read(), type=Target)
    for module in (frames, messages, requests, readers):
        attack = getattr(module, name, None)
        if attack is not None:
            sys.stdout.buffer.write(msgspec.json.encode(attack(target)))
            return
    sys.exit(f"there is no attack {name!r}")


if __name__ == "__main__":
    main()
