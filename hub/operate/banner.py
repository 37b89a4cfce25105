"""What a person sees when the hub starts."""

from pathlib import Path

from .first_start import ADMIN_KEY, BOT_KEY


def example_line(url: str, data_dir: Path) -> str:
    """A line to paste that publishes a first event with the bot's key."""
    return (
        f"curl -X POST {url}/api/events "
        f'-H "Authorization: Bearer $(cat {_shown(data_dir / BOT_KEY)})" '
        "-d '"
        '{"type":"message_received","data":{"messageId":"m-1","fromPhone":"+263771234567",'
        '"text":"Hello","timestamp":"2026-01-01T10:00:00Z"}}'
        "'"
    )


def banner(
    version: str, url: str, data_dir: Path, ticket: str, *, first: bool, admin_key_set: bool
) -> str:
    """The banner, with the sign-in link. The link's ticket is after the `#`, where no server and
    no log sees it."""
    admin = "from HUB_ADMIN_KEY" if admin_key_set else str(_shown(data_dir / ADMIN_KEY))
    return "\n".join(
        (
            "",
            f"  Smart Bot Hub {version}"
            + ("  ·  first start, everything is set up" if first else ""),
            "",
            f"  Dashboard   {url}/#ticket={ticket}",
            "              (signs you in; good for 15 minutes and one use)",
            f"  Keys        admin: {admin}   bot: {_shown(data_dir / BOT_KEY)}",
            "  First event, to paste into another terminal:",
            "",
            f"  {example_line(url, data_dir)}",
            "",
        )
    )


def _shown(path: Path) -> Path:
    """A path as short as it can be typed from here."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path.resolve()
