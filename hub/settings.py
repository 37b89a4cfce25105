"""The settings of a hub. `run.py` reads the environment once and passes it here."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import quote, unquote

import msgspec
from msgspec import Meta

from hub.addresses import network
from hub.limits import Rate, parse_rate
from hub.origins import origin_of
from jobs.address import redis_settings
from jobs.context import WEBHOOK_SCHEDULE
from storage.merchant_records import Queue

_SECRETS = ("admin_key", "metrics_token")
_RATES = ("rate_limit", "call_rate", "publish_rate")
QUEUES: tuple[Queue, ...] = get_args(Queue)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MOST_WAITS = 30
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)


class SettingsError(Exception):
    """One or more settings do not fit; the message has a line for each."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting with its default; the environment's name is `HUB_` and the field in capitals.

    Attributes:
        host, port: where the hub listens; port 0 picks a free one.
        data_dir: the SQLite file, the keys and the lock.
        database_url: `sqlite:///…` or `postgres://…`; the file `hub.db` in the data directory
            without one.
        database_owner_url: the owner of a Postgres schema, for migrations; `database_url` without
            one.
        redis_url: the broker of the queues, `redis://…`, `rediss://…` or `unix:///…`; a private
            one, started beside the hub, without it.
        workers: the queues whose jobs are done in this process; none of them for `none`.
        media_url: the folder of uploaded pictures, a path or `file:///…`; `media` in the data
            directory without one.
        admin_key: the bootstrap admin key, 32 characters or more; generated without one.
        public_url: the address under which browsers reach the hub; its own address without one.
        allowed_origins: other origins whose pages may connect.
        rate_limit: REST requests per key, or per address without one; None for no limit.
        call_rate: `call` frames per connection; None for no limit.
        publish_rate: events published per key; None for no limit.
        max_connections: connections to the hub at once.
        connections_per_key: connections of one key at once.
        ring_size: events in memory.
        retention: seconds that events stay in the database; None for ever. Written `90d`.
        durability: `full` fsyncs every commit, `normal` leaves that to the system.
        trusted_proxies: addresses and networks whose `X-Forwarded-For` counts.
        webhook_allow: addresses and networks that webhooks may reach although they are private.
        webhook_schedule: seconds between the attempts of a webhook's delivery. Written `5s,30s,2m`.
        log_level, log_format: `console` on a terminal, else `json`.
        metrics_token: the bearer token for `/metrics`, 16 characters or more; without one only
            loopback may read it.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    data_dir: Path = Path("data")
    database_url: str | None = None
    database_owner_url: str | None = None
    redis_url: str | None = None
    workers: tuple[Queue, ...] = QUEUES
    media_url: str | None = None
    admin_key: Annotated[str, Meta(min_length=32, max_length=256)] | None = None
    public_url: str | None = None
    allowed_origins: tuple[str, ...] = ()
    rate_limit: Rate | None = Rate(100, 900.0)
    call_rate: Rate | None = Rate(50, 1.0)
    publish_rate: Rate | None = None
    max_connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    connections_per_key: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    ring_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    retention: Annotated[int, Meta(ge=1)] | None = None
    durability: Literal["full", "normal"] = "full"
    trusted_proxies: tuple[str, ...] = ()
    webhook_allow: tuple[str, ...] = ()
    webhook_schedule: tuple[float, ...] = WEBHOOK_SCHEDULE
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] | None = None
    metrics_token: Annotated[str, Meta(min_length=16, max_length=256)] | None = None

    @property
    def effective_database_url(self) -> str:
        """The database's URL, also where none was set."""
        return self.database_url or f"sqlite:///{quote(str(self.data_dir / 'hub.db'))}"

    @property
    def media_folder(self) -> Path:
        """The folder of uploaded pictures, also where none was set."""
        return self.data_dir / "media" if self.media_url is None else Path(self.media_url)

    @property
    def broker_folder(self) -> Path:
        """The folder of the embedded broker."""
        return self.data_dir / "broker"

    def effective(self) -> dict[str, str]:
        """Every setting under its environment name, secrets masked, for people to read."""
        shown = {}
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if field in _SECRETS and value is not None:
                value = "(set)"
            elif field in _RATES:
                value = "off" if value is None else str(value)
            elif field == "workers":
                value = "all" if set(value) == {*QUEUES} else ",".join(value) or "none"
            elif field == "webhook_schedule":
                value = ",".join(_written(seconds) for seconds in value)
            elif isinstance(value, tuple):
                value = ",".join(value)
            elif field == "database_url":
                value = self.effective_database_url
            elif field == "media_url":
                value = self.media_folder
            shown[env_name(field)] = "" if value is None else masked_address(str(value))
        return shown


def masked_address(text: str) -> str:
    """An address without the password in it."""
    text = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", text)
    return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1***", text)


def env_name(field: str) -> str:
    """The environment's name of a setting."""
    return f"HUB_{field.upper()}"


def load(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Read the settings from an environment.

    `HUB_X_FILE` names a file that holds the value of `HUB_X`. An empty value counts as unset.

    Returns:
        The settings, and the names that begin with `HUB_` but are no settings.

    Raises:
        SettingsError: a value does not fit; every one that does not is named.
    """
    values: dict[str, object] = {}
    problems: list[str] = []
    known: set[str] = {"HUB_URL", "HUB_KEY", "HUB_KEY_FILE"}  # the client's, see `hub --help`
    for field in Settings.__struct_fields__:
        name = env_name(field)
        known |= {name, f"{name}_FILE"}
        try:
            text = _value(environment, name)
            if text:
                values[field] = _READ.get(field, str)(text)
                msgspec.convert({field: values[field]}, Settings, strict=False)
        except (OSError, ValueError, msgspec.ValidationError) as error:
            problems.append(f"{name}: {str(error).split(' - at ')[0]}")
    if problems:
        raise SettingsError("\n".join(problems))
    settings = msgspec.convert(values, Settings, strict=False)
    unknown = sorted(n for n in environment if n.startswith("HUB_") and n not in known)
    return settings, unknown


def _value(environment: Mapping[str, str], name: str) -> str:
    file = environment.get(f"{name}_FILE", "").strip()
    if file:
        return Path(file).read_text(encoding="utf-8").strip()
    return environment.get(name, "").strip()


def _duration(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with s, m, h, d or w, such as 90d")
    return int(match[1]) * _UNITS[match[2]]


def _written(seconds: float) -> str:
    """A duration as it is written in a setting."""
    for unit, size in sorted(_UNITS.items(), key=lambda pair: -pair[1]):
        if seconds % size == 0 and (seconds or unit == "s"):
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _schedule(text: str) -> tuple[float, ...]:
    waits = tuple(float(_duration(part.strip())) for part in text.split(",") if part.strip())
    if not 1 <= len(waits) <= _MOST_WAITS:
        raise ValueError(f"{text!r} is not 1 to {_MOST_WAITS} durations, such as 5s,30s,2m,1h")
    return waits


def _origins(text: str) -> tuple[str, ...]:
    return tuple(origin_of(part.strip()) for part in text.split(",") if part.strip())


def _networks(text: str) -> tuple[str, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        network(part)
    return tuple(parts)


def _token(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or " " in text:
        # Anything else could not be sent after "Bearer" (RFC 6750, section 2.1).
        raise ValueError("only visible ASCII characters can be sent in a header")
    return text


def _folder(text: str) -> str:
    """The path of a folder, which may be written as a `file:` address (RFC 8089)."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    if scheme != "file" or not rest.startswith("/"):
        raise ValueError(
            f"{scheme}:// is not supported: a folder is taken, a path or file:///its/path"
        )
    return unquote(rest)


def _redis(text: str) -> str:
    redis_settings(text)
    return text


def _workers(text: str) -> tuple[Queue, ...]:
    if text in ("all", "none"):
        return QUEUES if text == "all" else ()
    named = {part.strip() for part in text.split(",") if part.strip()}
    wrong = sorted(named - {*QUEUES})
    if wrong or not named:
        said = f"{wrong[0][:40]!r} is no queue" if wrong else f"{text!r} names no queue"
        raise ValueError(f"{said}: all, none, or some of {', '.join(QUEUES)}, with commas between")
    return tuple(queue for queue in QUEUES if queue in named)


def _public_url(text: str) -> str:
    origin_of(text)
    return text.rstrip("/")


_READ: dict[str, Callable[[str], object]] = {
    "data_dir": Path,
    "redis_url": _redis,
    "workers": _workers,
    "media_url": _folder,
    "public_url": _public_url,
    "allowed_origins": _origins,
    "retention": _duration,
    "rate_limit": parse_rate,
    "call_rate": parse_rate,
    "publish_rate": parse_rate,
    "trusted_proxies": _networks,
    "webhook_allow": _networks,
    "webhook_schedule": _schedule,
    "metrics_token": _token,
}
