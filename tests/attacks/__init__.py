"""Attacks on a hub that serves a healthy pair meanwhile, and what becomes of all three.

`harness` starts the hub, the pair and the attacker and measures; `attacker` is the attacker's
process, whose attacks are in `frames`, `messages`, `requests` and `readers`, on `lines`. A test
names an attack and the refusal that must be seen; `harness.survived` is what holds for all of them.
"""
