"""Sectors by SIC code, for companies whose code and sector are no secret."""

from __future__ import annotations

import pytest

from marketsweep.ingest.providers.sectors import _SECTORS, sector_of

# Codes under which these companies file with the SEC.
KNOWN = {
    3571: "Technology",  # Apple
    7372: "Technology",  # Microsoft
    3674: "Technology",  # Intel
    2834: "Health Care",  # Pfizer
    2836: "Health Care",  # biological products: Gilead
    3841: "Health Care",
    8731: "Health Care",
    6324: "Health Care",  # UnitedHealth
    6021: "Finance",  # JPMorgan
    6331: "Finance",  # Travelers
    6770: "Finance",  # blank checks
    6798: "Real Estate",  # American Tower
    1311: "Energy",
    2911: "Energy",  # Exxon
    4922: "Energy",
    1040: "Basic Materials",  # gold
    2810: "Basic Materials",
    3312: "Basic Materials",  # steel
    2080: "Consumer Staples",  # Coca-Cola
    2840: "Consumer Staples",  # Procter & Gamble
    5331: "Consumer Staples",  # Walmart
    5912: "Consumer Staples",  # CVS
    3711: "Consumer Discretionary",  # Ford
    5812: "Consumer Discretionary",  # McDonald's
    5961: "Consumer Discretionary",  # Amazon
    1531: "Consumer Discretionary",  # homes
    3721: "Industrials",  # Boeing
    4011: "Industrials",  # Union Pacific
    4953: "Industrials",  # Waste Management
    3531: "Industrials",  # Caterpillar
    4813: "Telecommunications",  # AT&T
    4911: "Utilities",
    4931: "Utilities",
    8888: None,  # foreign governments
    8880: None,  # depositary receipts
    9995: None,  # no operations
    6: None,
}


@pytest.mark.parametrize("code", KNOWN)
def test_sectors_of_known_companies(code: int) -> None:
    assert sector_of(code) == sector_of(f" {code:04} ") == KNOWN[code]


@pytest.mark.parametrize("code", [None, "", "n/a", "-1", "99999"])
def test_what_is_no_code_has_no_sector(code: str | None) -> None:
    assert sector_of(code) is None


def test_every_range_counts_and_is_one_of_eleven_sectors() -> None:
    assert len({sector for _, _, sector in _SECTORS}) == 11
    for first, last, sector in _SECTORS:
        assert first <= last
        found = [sector_of(code) for code in range(first, last + 1)]
        assert sector in found, (first, last)  # no range hides behind another
