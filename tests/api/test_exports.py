"""CSV as RFC 4180 has it, and as no spreadsheet runs it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.exports import csv_line

CELLS = st.lists(st.one_of(st.none(), st.text(max_size=20)), min_size=1, max_size=5)
SIGNS = ("=", "+", "-", "@", "\t", "\r")


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (["a", "b"], "a,b\r\n"),
        (["a", None, ""], "a,,\r\n"),
        (["a,b"], '"a,b"\r\n'),
        (['say "hi"'], '"say ""hi"""\r\n'),
        (["two\nlines"], '"two\nlines"\r\n'),
        (["Café № 1 🛵"], "Café № 1 🛵\r\n"),
        (['=HYPERLINK("http://evil")'], '"\'=HYPERLINK(""http://evil"")"\r\n'),
        (["+1", "-1", "@a"], "'+1,'-1,'@a\r\n"),
        (["\t=1"], "'\t=1\r\n"),
        (["\r=1"], '"\'\r=1"\r\n'),
        (["a=1", " =1", "'=1"], "a=1, =1,'=1\r\n"),
    ],
)
def test_a_line(cells: list[str | None], line: str) -> None:
    assert csv_line(cells) == line


@given(st.lists(CELLS, max_size=4))
def test_whatever_it_holds_a_reader_finds_it(rows: list[list[str | None]]) -> None:
    def safe(cell: str | None) -> str:
        return "'" + cell if cell and cell.startswith(SIGNS) else cell or ""

    text = "".join(csv_line(row) for row in rows)
    # A record of one empty field is an empty line, which readers take for a record of none.
    expected = [[safe(cell) for cell in row] for row in rows]
    assert [row or [""] for row in parsed(text)] == expected


@given(st.text(min_size=1))
def test_no_cell_begins_like_a_formula(cell: str) -> None:
    [[found]] = parsed(csv_line([cell])) or [[""]]
    assert not found.startswith(SIGNS)
