"""Amounts as people read them (pure)."""

_DIGITS = {
    **dict.fromkeys(
        (
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI",
            "VND", "VUV", "XAF", "XOF", "XPF",
        ), 0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip
"""Digits behind the point, where they are not two (ISO 4217, list one)."""


def amount(minor: int, currency: str) -> str:
    """An amount with its currency: `USD 2.50`.

    Args:
        minor: in minor units, not negative.
    """
    digits = _DIGITS.get(currency, 2)
    whole, rest = divmod(minor, 10**digits)
    return f"{currency} {whole}.{rest:0{digits}}" if digits else f"{currency} {whole}"
