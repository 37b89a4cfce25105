"""Amounts as people read them."""

import pytest

from jobs.commerce.money import amount


@pytest.mark.parametrize(
    ("minor", "currency", "read"),
    [
        (250, "USD", "USD 2.50"),
        (5, "EUR", "EUR 0.05"),
        (0, "USD", "USD 0.00"),
        (1200, "JPY", "JPY 1200"),
        (1234, "KWD", "KWD 1.234"),
        (12345, "CLF", "CLF 1.2345"),
        (2**53 - 1, "ZWG", "ZWG 90071992547409.91"),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(minor: int, currency: str, read: str) -> None:
    assert amount(minor, currency) == read
