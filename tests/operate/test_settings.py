"""The environment is read once, and whatever does not fit is named."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from hub.limits import Rate
from hub.settings import QUEUES, Settings, SettingsError, load
from tests.support.command import environment, run_py
from tests.support.hub_process import REPOSITORY

BAD = {
    "HUB_PORT": ["70000", "-1", "eighty", "80.5", "0x50"],
    "HUB_ADMIN_KEY": ["short", "x" * 31, "x" * 257],
    "HUB_REDIS_URL": ["localhost:6379", "http://127.0.0.1", "redis://", "redis://a:b", "unix://a"],
    "HUB_WORKERS": ["some", "all,none", "message_sending;order_processing", ","],
    "HUB_MEDIA_URL": ["s3://bucket/pictures", "https://a/b", "file://media"],
    "HUB_PUBLIC_URL": ["hub.example", "ftp://hub.example", "https://", "//hub.example"],
    "HUB_ALLOWED_ORIGINS": ["shop.example", "*", "https://a.example,b", "null"],
    "HUB_RATE_LIMIT": ["100", "0/s", "100/15 minutes", "none", "-1/s", "1.5/s"],
    "HUB_CALL_RATE": ["50", "50/0s", "/s"],
    "HUB_PUBLISH_RATE": ["500", "unlimited", "500/ms"],
    "HUB_MAX_CONNECTIONS": ["0", "-1", "off", "2000000"],
    "HUB_CONNECTIONS_PER_KEY": ["0", "many"],
    "HUB_RING_SIZE": ["0", "-5", "many", "10000000"],
    "HUB_RETENTION": ["90", "d", "0d", "-1d", "1y", "1.5d", "1d 2h", "٣d"],
    "HUB_DURABILITY": ["fast", "FULLEST"],
    "HUB_WEBHOOK_ALLOW": ["shop.example", "10.1.0.1/16", "10.0.0.0/8 127.0.0.1", "localhost"],
    "HUB_WEBHOOK_SCHEDULE": ["5", "5s 30s", "soon", "-1s", ",", ",".join(["1s"] * 31)],
    "HUB_TRUSTED_PROXIES": ["proxy", "10.0.0.1/8", "10.0.0.0/8 fd00::/8", "10.0.0.0/8,*", "[::1]"],
    "HUB_LOG_LEVEL": ["loud", "5"],
    "HUB_LOG_FORMAT": ["xml"],
    "HUB_METRICS_TOKEN": [
        "too short",
        "x" * 15,
        "x" * 257,
        "with spaces in it",
        "ü" * 20,
        "a\tb" * 9,
    ],
}


def test_the_defaults() -> None:
    settings, unknown = load({"PATH": "/bin", "HOME": "/root"})
    assert settings == Settings()
    assert unknown == []
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.durability == "full"
    assert settings.rate_limit == Rate(100, 15 * 60)
    assert settings.call_rate == Rate(50, 1)
    assert settings.publish_rate is None
    assert (settings.max_connections, settings.connections_per_key) == (20_000, 5000)
    assert settings.trusted_proxies == ()
    assert settings.metrics_token is None
    assert settings.effective_database_url == "sqlite:///data/hub.db"
    assert settings.redis_url is None
    assert settings.workers == QUEUES


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_a_value_that_does_not_fit_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load({name: value})
    lines = str(refusal.value).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: ")
    assert len(lines[0]) > len(name) + 10
    if name in ("HUB_ADMIN_KEY", "HUB_METRICS_TOKEN"):
        assert value not in lines[0]


def test_all_that_do_not_fit_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        load({name: values[0] for name, values in BAD.items()})
    assert [line.partition(":")[0] for line in str(refusal.value).splitlines()] == sorted(
        BAD, key=[f"HUB_{field.upper()}" for field in Settings.__struct_fields__].index
    )


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("HUB_PORT", "0", "port", 0),
        ("HUB_PORT", " 8080 ", "port", 8080),
        ("HUB_DATA_DIR", "/srv/hub", "data_dir", Path("/srv/hub")),
        ("HUB_MEDIA_URL", "/srv/pictures", "media_folder", Path("/srv/pictures")),
        ("HUB_MEDIA_URL", "file:///srv/my%20pictures", "media_folder", Path("/srv/my pictures")),
        ("HUB_MEDIA_URL", "", "media_folder", Path("data/media")),
        ("HUB_REDIS_URL", "redis://h:6380/2", "redis_url", "redis://h:6380/2"),
        ("HUB_REDIS_URL", "", "redis_url", None),
        ("HUB_WORKERS", "", "workers", QUEUES),
        ("HUB_WORKERS", "all", "workers", QUEUES),
        ("HUB_WORKERS", "none", "workers", ()),
        (
            "HUB_WORKERS",
            " order_processing,, message_sending",
            "workers",
            ("message_sending", "order_processing"),
        ),
        ("HUB_RETENTION", "90d", "retention", 90 * 86400),
        ("HUB_RETENTION", "2w", "retention", 14 * 86400),
        ("HUB_RETENTION", "1s", "retention", 1),
        ("HUB_RETENTION", "5m", "retention", 300),
        ("HUB_RETENTION", "3h", "retention", 10_800),
        ("HUB_PUBLIC_URL", "https://hub.example/", "public_url", "https://hub.example"),
        (
            "HUB_ALLOWED_ORIGINS",
            "https://a.example, http://b.example:81 ,",
            "allowed_origins",
            ("https://a.example", "http://b.example:81"),
        ),
        ("HUB_RATE_LIMIT", "1000/h", "rate_limit", Rate(1000, 3600)),
        ("HUB_RATE_LIMIT", "off", "rate_limit", None),
        ("HUB_CALL_RATE", "off", "call_rate", None),
        ("HUB_PUBLISH_RATE", " 500/s ", "publish_rate", Rate(500, 1)),
        ("HUB_MAX_CONNECTIONS", "1", "max_connections", 1),
        ("HUB_CONNECTIONS_PER_KEY", "7", "connections_per_key", 7),
        (
            "HUB_TRUSTED_PROXIES",
            " 127.0.0.1, 10.0.0.0/8 ,, fd00::/8,",
            "trusted_proxies",
            ("127.0.0.1", "10.0.0.0/8", "fd00::/8"),
        ),
        ("HUB_WEBHOOK_ALLOW", "", "webhook_allow", ()),
        ("HUB_WEBHOOK_ALLOW", "127.0.0.1, fd00::/8", "webhook_allow", ("127.0.0.1", "fd00::/8")),
        ("HUB_WEBHOOK_SCHEDULE", "5s, 2m,1d", "webhook_schedule", (5.0, 120.0, 86400.0)),
        ("HUB_METRICS_TOKEN", "0123456789abcdef", "metrics_token", "0123456789abcdef"),
        ("HUB_DURABILITY", "normal", "durability", "normal"),
        ("HUB_RING_SIZE", "", "ring_size", 1000),
        ("HUB_HOST", "  ", "host", "127.0.0.1"),
    ],
)
def test_a_value_that_fits(name: str, value: str, field: str, read: object) -> None:
    settings, _ = load({name: value})
    assert getattr(settings, field) == read


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    secret = "k" * 40
    file = tmp_path / "secret"
    file.write_text(f"{secret}\n")
    assert load({"HUB_ADMIN_KEY_FILE": str(file)})[0].admin_key == secret
    with pytest.raises(SettingsError, match=r"HUB_ADMIN_KEY: .*none"):
        load({"HUB_ADMIN_KEY_FILE": str(tmp_path / "none")})
    file.write_text("short")
    with pytest.raises(SettingsError, match="HUB_ADMIN_KEY: ") as refusal:
        load({"HUB_ADMIN_KEY_FILE": str(file)})
    assert "short" not in str(refusal.value)
    file.write_bytes(b"\xff" * 40)
    with pytest.raises(SettingsError, match="HUB_ADMIN_KEY: "):
        load({"HUB_ADMIN_KEY_FILE": str(file)})


def test_unknown_names_are_told_and_not_fatal() -> None:
    environment = {"HUB_PROT": "8000", "HUB_A_FILE": "x", "HUB_URL": "http://x", "HUB_KEY": "k"}
    settings, unknown = load(environment)
    assert settings == Settings()
    # HUB_URL and HUB_KEY are those of the client and live in the same environment.
    assert unknown == ["HUB_A_FILE", "HUB_PROT"]


def test_what_is_shown_masks_secrets() -> None:
    environment = {"HUB_ADMIN_KEY": "k" * 40, "HUB_RETENTION": "1d", "HUB_METRICS_TOKEN": "m" * 20}
    environment["HUB_REDIS_URL"] = "redis://hub:kkkk@127.0.0.1/1"
    shown = load(environment)[0].effective()
    assert shown["HUB_ADMIN_KEY"] == "(set)"
    assert shown["HUB_REDIS_URL"] == "redis://hub:***@127.0.0.1/1"
    assert shown["HUB_METRICS_TOKEN"] == "(set)"
    assert shown["HUB_RETENTION"]
    assert not any("kkkk" in value or "mmmm" in value for value in shown.values())


def test_rates_and_networks_are_shown_as_they_are_written() -> None:
    shown = Settings().effective()
    assert shown["HUB_RATE_LIMIT"] == "100/15m"
    assert shown["HUB_CALL_RATE"] == "50/s"
    assert shown["HUB_PUBLISH_RATE"] == "off"
    assert shown["HUB_TRUSTED_PROXIES"] == ""
    assert shown["HUB_WEBHOOK_SCHEDULE"] == "5s,30s,2m,10m,1h,3h,8h,1d"
    environment = {"HUB_PUBLISH_RATE": "500/10s", "HUB_TRUSTED_PROXIES": "::1, 10.0.0.0/8"}
    shown = load(environment)[0].effective()
    assert shown["HUB_PUBLISH_RATE"] == "500/10s"
    assert shown["HUB_TRUSTED_PROXIES"] == "::1,10.0.0.0/8"


@pytest.mark.parametrize("workers", ["all", "none", "media_processing,order_processing"])
def test_what_is_shown_can_be_set_again(workers: str) -> None:
    environment = {"HUB_RATE_LIMIT": "off", "HUB_CALL_RATE": "7/90s", "HUB_TRUSTED_PROXIES": "::1"}
    environment["HUB_WORKERS"] = workers
    settings, _ = load(environment)
    shown = settings.effective()
    assert shown["HUB_WORKERS"] == workers
    again, _ = load({name: shown[name] for name in environment})
    assert again == settings


async def test_a_hub_with_bad_settings_says_so_and_ends(tmp_path: Path) -> None:
    settings = {"HUB_PORT": "eighty", "HUB_RETENTION": "long"}
    for arguments in ((), ("serve",), ("migrate",), ("doctor",), ("key", "list")):
        done = await run_py(tmp_path / "data", *arguments, settings=settings)
        assert done.code == 1
        assert "HUB_PORT: " in done.err
        assert "HUB_RETENTION: " in done.err
        assert "Traceback" not in done.text
    assert not (tmp_path / "data").exists()


async def test_another_database_is_refused_by_a_sentence(tmp_path: Path) -> None:
    for url in ("mysql://hub@127.0.0.1/hub", "mysql://x", "hub.db", "sqlite://"):
        for arguments in ((), ("migrate",), ("key", "list")):
            settings = {"HUB_DATABASE_URL": url}
            done = await run_py(tmp_path / "data", *arguments, settings=settings)
            assert done.code == 1
            assert "HUB_DATABASE_URL" in done.err
            assert "Traceback" not in done.text


# ── what doctor says about them ──────────────────────────────────────────────────────────────


async def warnings(tmp_path: Path, **settings: str) -> list[tuple[str, str]]:
    """What doctor warns of with these settings, each with its advice."""
    environment = {"HUB_MAX_CONNECTIONS": "10", **settings}
    done = await run_py(tmp_path / "data", "doctor", settings=environment)
    assert done.code == 0, done.text
    return findings(done.out)


def findings(report: str) -> list[tuple[str, str]]:
    lines = [line.strip() for line in report.splitlines()]
    following = itertools.pairwise(lines)
    return [(line, advice) for line, advice in following if line.startswith("warn ")]


async def test_doctor_has_nothing_against_a_hub_on_loopback(tmp_path: Path) -> None:
    assert await warnings(tmp_path, HUB_TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8,fd00::/8") == []
    assert await warnings(tmp_path, HUB_HOST="localhost") == []


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0", "::ffff:0:0/96"])
async def test_doctor_warns_of_trust_in_everybody(tmp_path: Path, everybody: str) -> None:
    [(finding, advice)] = await warnings(tmp_path, HUB_TRUSTED_PROXIES=f"127.0.0.1,{everybody}")
    assert "HUB_TRUSTED_PROXIES" in finding
    assert everybody in finding
    assert "127.0.0.1" not in finding
    assert advice.startswith("→ ")


async def test_doctor_warns_of_an_open_host_without_its_public_address(tmp_path: Path) -> None:
    [(finding, advice)] = await warnings(tmp_path, HUB_HOST="0.0.0.0")
    assert "0.0.0.0" in finding
    assert "HUB_PUBLIC_URL" in advice
    public = "https://hub.example"
    assert await warnings(tmp_path, HUB_HOST="0.0.0.0", HUB_PUBLIC_URL=public) == []


def test_doctor_warns_of_more_connections_than_open_files(tmp_path: Path) -> None:
    def report(connections: int) -> list[tuple[str, str]]:
        settings = {"HUB_MAX_CONNECTIONS": str(connections)}
        done = subprocess.run(
            ["sh", "-c", 'ulimit -n 1000; exec "$0" run.py doctor', sys.executable],
            cwd=REPOSITORY,
            env=environment(tmp_path / "data", settings),
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return findings(done.stdout)

    assert report(800) == []
    [(finding, advice)] = report(801)
    assert "1000 open files" in finding
    assert "1001" in finding
    assert "HUB_MAX_CONNECTIONS=800" in advice
