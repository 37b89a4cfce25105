"""The project's own load generator, and the tables that the README quotes.

`python -m tests.bench [scenario …]` starts a hub of its own on one core, loads it from another,
and prints Markdown. One module a concern: `wire` the bytes, `peers` the connections, `load` the
generator, `result` what it measured, `machine` what the kernel counts, `servers` the child
processes, `report` the tables, `scenarios` what is measured.
"""
