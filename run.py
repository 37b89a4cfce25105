"""Smart Bot Hub: the command line, and the only reader of the environment."""

import argparse
import asyncio
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hub.operate import admin, backup, doctor, logs, serve, worker
from hub.operate.database import open_database
from hub.operate.first_start import prepare_data_dir
from hub.operate.lock import AlreadyRunning, hold
from hub.settings import QUEUES, Settings, SettingsError, load
from hub.tokens import ROLES
from jobs.broker_program import NoServer
from storage.connect import sqlite_path
from storage.errors import StorageError
from storage.migrate import migrate

_FALLBACK_VERSION = "0.1.0"
_SAID = (AlreadyRunning, StorageError, NoServer, admin.CommandError, worker.CannotWork)
"""What ends a command with a sentence."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings, unknown = load(os.environ)
        return _run(options, settings, unknown)
    except SettingsError as error:
        print(f"settings:\n{error}", file=sys.stderr)
    except (*_SAID, ValueError) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"{error.strerror or error}: {error.filename or settings.host}", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, settings: Settings, unknown: list[str]) -> int:
    logs.configure(settings)  # to standard error: the answer alone goes to standard output
    match options.command, getattr(options, "action", None):
        case "migrate", _:
            print(_migrate(settings))
        case "worker", _:
            worker.worker(settings, options.queue, _version(), unknown)
        case "doctor", _:
            report, healthy = doctor.doctor(settings, unknown)
            print(report)
            return 0 if healthy else 1
        case "backup", _:
            print(backup.backup(settings, options.file, force=options.force))
        case "restore", _:
            print(backup.restore_(settings, options.file, sure=options.yes))
        case "key", "create":
            print(
                admin.create(
                    settings, options.role, options.name, options.merchant, options.expires
                )
            )
        case "key", "list":
            print(admin.list_(settings))
        case "key", "revoke":
            print(admin.revoke(settings, options.id))
        case _:
            serve.serve(settings, _version(), unknown)
    return 0


def _migrate(settings: Settings) -> str:
    async def work() -> list[str]:
        database = await open_database(settings)
        try:
            return await migrate(database)
        finally:
            await database.close()

    prepare_data_dir(settings.data_dir)
    with hold(settings.data_dir, sqlite_path(settings.effective_database_url)):
        applied = asyncio.run(work())
    return "\n".join(f"applied {name}" for name in applied) or "the schema is up to date"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="The hub for WhatsApp commerce bots. Without a command it serves.",
        epilog="Settings come from the environment: see docs/settings.md, or `run.py doctor`.",
    )
    parser.add_argument("--version", action="version", version=f"Smart Bot Hub {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="run the hub (the default)")
    work = commands.add_parser(
        "worker", help="do the jobs of queues beside hubs on the same Postgres and Redis"
    )
    work.add_argument(
        "queue", nargs="*", type=_queue,
        help=f"which of {', '.join(QUEUES)}; without any those of HUB_WORKERS, or all",
    )  # fmt: skip
    commands.add_parser("migrate", help="bring the database's schema up to date")
    commands.add_parser("doctor", help="check the configuration and say what to do")
    backup_ = commands.add_parser("backup", help="write all data into one file; the hub may run")
    backup_.add_argument("file", type=Path, help="the file to write")
    backup_.add_argument("--force", action="store_true", help="replace the file if it is there")
    restore = commands.add_parser("restore", help="replace all data with a backup; no hub may run")
    restore.add_argument("file", type=Path, help="what `backup` has written, on either engine")
    restore.add_argument("--yes", action="store_true", help="do not ask, whatever is there")
    key = commands.add_parser("key", help="make, list and revoke keys")
    actions = key.add_subparsers(dest="action", metavar="action", required=True)
    create = actions.add_parser("create", help="make a key; it is shown once")
    create.add_argument("role", choices=ROLES)
    create.add_argument("name", help="who will use it, such as till-1")
    create.add_argument("--merchant", help="its merchant, by id or name")
    create.add_argument("--expires", metavar="TIME", help="RFC 3339, such as 2027-01-01T00:00:00Z")
    actions.add_parser("list", help="all keys, without their secrets")
    revoke = actions.add_parser("revoke", help="end a key and its connections")
    revoke.add_argument("id")
    return parser


def _queue(name: str) -> str:
    # `choices` would refuse none at all.
    if name not in QUEUES:
        raise argparse.ArgumentTypeError(f"{name!r} is no queue; there are {', '.join(QUEUES)}")
    return name


def _version() -> str:
    try:
        return version("smart-bot-hub")
    except PackageNotFoundError:
        return _FALLBACK_VERSION


if __name__ == "__main__":
    sys.exit(main())
