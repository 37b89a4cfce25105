"""docs/tables.md is what the migrations say, and every column has a meaning."""

from tests.docs import tables


def test_every_table_and_column_has_a_meaning_and_is_on_both_engines() -> None:
    assert tables.missing() == []


def test_the_page_is_what_the_migrations_say() -> None:
    assert tables.PAGE.read_text(encoding="utf-8") == tables.page(), "run `make docs`"


def test_the_page_has_every_column() -> None:
    page = tables.page()
    for name, table in tables.sqlite_tables().items():
        section = page.partition(f"## {name}\n")[2].partition("\n## ")[0]
        for column in table.columns:
            assert f"\n| `{column}` | " in section, f"{name}.{column}"
