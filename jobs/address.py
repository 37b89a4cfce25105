"""The address of a broker, `HUB_REDIS_URL`: what may stand in it, and what arq is told.

    redis://[user:password@]host[:port][/database]
    rediss://…                                        over TLS; the certificate must be the host's
    unix://[user:password@]/path/of/the/socket[?db=database]

with `db`, `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` after a `?`, as redis-py writes them.
arq's own reading (`RedisSettings.from_dsn`) takes a percent-encoded password as it stands and any
host's certificate.
"""

import asyncio
import re
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from arq.connections import RedisSettings
from redis.asyncio import Redis

_PORT = 6379
_DATABASE = re.compile(r"\d{1,5}", re.ASCII)
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def redis_settings(url: str) -> RedisSettings:
    """What arq and redis-py connect with.

    Raises:
        ValueError: it is no address of a broker; the message has nothing of the password in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # whose message repeats a part of it, maybe of the password
        raise ValueError(
            "it cannot be read: the port must be a number up to 65535, an IPv6 address stands in "
            "brackets, and in a password / is %2F, @ is %40, : is %3A, # is %23"
        ) from None
    if parts.scheme not in ("redis", "rediss", "unix") or "://" not in url:
        raise ValueError(
            "it must begin with redis://, rediss:// or unix://, such as redis://127.0.0.1:6379/0"
        )
    if parts.fragment:
        raise ValueError("it has a # in it: write it as %23")
    told = _options(parts.query, tls=parts.scheme == "rediss")
    found = RedisSettings(
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ssl=parts.scheme == "rediss",
        ssl_check_hostname=parts.scheme == "rediss",
        **{name: told[name] for name in _TLS if name in told},  # type: ignore[arg-type]
    )
    database = told.get("db")
    if parts.scheme == "unix":
        if parts.hostname is not None or port is not None or len(parts.path) < 2:
            raise ValueError(
                "it must name a socket by its whole path, such as unix:///run/redis/redis.sock"
            )
        found.unix_socket_path = unquote(parts.path)
    else:
        if not parts.hostname:
            raise ValueError("it names no host, such as redis://127.0.0.1:6379/0")
        found.host, found.port = unquote(parts.hostname), port or _PORT
        in_path = unquote(parts.path).strip("/")
        if in_path and database is not None:
            raise ValueError("it names a database twice, in its path and as db=")
        database = database or in_path or None
    if database is not None:
        if _DATABASE.fullmatch(database) is None:
            raise ValueError(f"{database[:20]!r} is not the number of a database")
        found.database = int(database)
    return found


def client(settings: RedisSettings, seconds: float) -> Redis:
    """A client of redis-py for these settings, where arq's pool is not wanted.

    Args:
        seconds: how long it waits for a connection, and for an answer.
    """
    return Redis(
        host=str(settings.host), port=settings.port, unix_socket_path=settings.unix_socket_path,
        db=settings.database, username=settings.username, password=settings.password,
        ssl=settings.ssl, ssl_check_hostname=settings.ssl_check_hostname,
        ssl_ca_certs=settings.ssl_ca_certs, ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
        socket_connect_timeout=seconds, socket_timeout=seconds,
    )  # fmt: skip


def be_cancelled() -> None:
    """Be cancelled now, where redis-py has passed over it.

    It sends each command by `asyncio.wait_for`, which before Python 3.12 returns its result instead
    of being cancelled when both happen in the same turn of the loop.

    Raises:
        asyncio.CancelledError: the task that this is called in is to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def socket_url(path: str) -> str:
    """The address of a broker that listens on a Unix socket."""
    return f"unix://{quote(path)}"


def _options(query: str, *, tls: bool) -> dict[str, str]:
    told: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "db" and name not in _TLS:
            raise ValueError(
                f"{name[:40]!r} is not known after the ?: db, ssl_ca_certs, ssl_certfile and "
                "ssl_keyfile are; a password stands before the host, as user:password@"
            )
        if name in _TLS and not tls:
            raise ValueError(f"{name} is for rediss:// alone")
        if not value or name in told:
            raise ValueError(f"{name} must have one value")
        told[name] = value
    return told
