"""The environment is read once, and whatever does not fit is named."""

from pathlib import Path

import pytest

from hub.settings import Settings, SettingsError, load
from tests.support.command import run_py

BAD = {
    "HUB_PORT": ["70000", "-1", "eighty", "80.5", "0x50"],
    "HUB_ADMIN_KEY": ["short", "x" * 31, "x" * 257],
    "HUB_PUBLIC_URL": ["hub.example", "ftp://hub.example", "https://", "//hub.example"],
    "HUB_ALLOWED_ORIGINS": ["shop.example", "*", "https://a.example,b", "null"],
    "HUB_RING_SIZE": ["0", "-5", "many", "10000000"],
    "HUB_RETENTION": ["90", "d", "0d", "-1d", "1y", "1.5d", "1d 2h", "٣d"],
    "HUB_DURABILITY": ["fast", "FULLEST"],
    "HUB_LOG_LEVEL": ["loud", "5"],
    "HUB_LOG_FORMAT": ["xml"],
}


def test_the_defaults() -> None:
    settings, unknown = load({"PATH": "/bin", "HOME": "/root"})
    assert settings == Settings()
    assert unknown == []
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.durability == "full"
    assert settings.effective_database_url == "sqlite:///data/hub.db"


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
    if name == "HUB_ADMIN_KEY":
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
    shown = load({"HUB_ADMIN_KEY": "k" * 40, "HUB_RETENTION": "1d"})[0].effective()
    assert shown["HUB_ADMIN_KEY"] == "(set)"
    assert shown["HUB_RETENTION"]
    assert not any("kkkk" in value for value in shown.values())


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
    for url in ("postgres://hub@127.0.0.1/hub", "mysql://x", "hub.db", "sqlite://"):
        for arguments in ((), ("migrate",), ("key", "list")):
            settings = {"HUB_DATABASE_URL": url}
            done = await run_py(tmp_path / "data", *arguments, settings=settings)
            assert done.code == 1
            assert "HUB_DATABASE_URL" in done.err
            assert "Traceback" not in done.text
