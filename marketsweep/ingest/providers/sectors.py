"""Sectors by SIC code, the Standard Industrial Classification that companies file under.

The codes are those of the SEC's list (Division of Corporation Finance: Standard Industrial
Classification Code List), whose divisions follow the SIC Manual of 1987. That list has no
sectors: the project assigns each range to one of eleven sectors, with the names of NASDAQ's
screener. A code that does not describe a business has no sector.
"""

from __future__ import annotations

from typing import Final

MATERIALS: Final = "Basic Materials"
DISCRETIONARY: Final = "Consumer Discretionary"
STAPLES: Final = "Consumer Staples"
ENERGY: Final = "Energy"
FINANCE: Final = "Finance"
HEALTH: Final = "Health Care"
INDUSTRIALS: Final = "Industrials"
REAL_ESTATE: Final = "Real Estate"
TECHNOLOGY: Final = "Technology"
TELECOM: Final = "Telecommunications"
UTILITIES: Final = "Utilities"

_SECTORS: Final = (
    (100, 999, STAPLES),  # A: agriculture, forestry, fishing
    (1000, 1099, MATERIALS),  # B: mining
    (1200, 1389, ENERGY),  # coal, oil and gas
    (1400, 1499, MATERIALS),
    (1520, 1531, DISCRETIONARY),  # C: construction: homes
    (1500, 1799, INDUSTRIALS),
    (2000, 2199, STAPLES),  # D: manufacturing: food, tobacco
    (2200, 2399, DISCRETIONARY),  # textiles, apparel
    (2450, 2459, DISCRETIONARY),  # mobile homes
    (2400, 2499, MATERIALS),
    (2500, 2599, DISCRETIONARY),  # furniture
    (2600, 2699, MATERIALS),  # paper
    (2700, 2799, DISCRETIONARY),  # publishing
    (2833, 2836, HEALTH),  # drugs
    (2840, 2844, STAPLES),  # soap, cosmetics
    (2800, 2899, MATERIALS),
    (2950, 2959, MATERIALS),  # asphalt
    (2900, 2999, ENERGY),  # refining
    (3011, 3021, DISCRETIONARY),  # tyres, rubber footwear
    (3000, 3099, INDUSTRIALS),
    (3100, 3199, DISCRETIONARY),  # leather
    (3200, 3399, MATERIALS),  # glass, concrete, metals
    (3570, 3579, TECHNOLOGY),  # computers
    (3400, 3599, INDUSTRIALS),  # metal products, machinery
    (3630, 3639, DISCRETIONARY),  # household appliances
    (3650, 3659, DISCRETIONARY),  # audio and video
    (3660, 3679, TECHNOLOGY),  # communications equipment, components
    (3600, 3699, INDUSTRIALS),
    (3710, 3716, DISCRETIONARY),  # motor vehicles
    (3751, 3751, DISCRETIONARY),  # motorcycles
    (3790, 3799, DISCRETIONARY),  # trailers
    (3700, 3799, INDUSTRIALS),  # aircraft, ships, railroads
    (3812, 3812, INDUSTRIALS),  # navigation
    (3826, 3826, HEALTH),  # laboratory instruments
    (3820, 3829, TECHNOLOGY),
    (3840, 3851, HEALTH),  # medical instruments
    (3861, 3861, TECHNOLOGY),
    (3800, 3999, DISCRETIONARY),  # watches, toys, jewelry
    (4600, 4699, ENERGY),  # E: transportation, communications, utilities: pipelines
    (4000, 4799, INDUSTRIALS),
    (4832, 4833, DISCRETIONARY),  # broadcasting
    (4800, 4899, TELECOM),
    (4922, 4922, ENERGY),  # gas transmission
    (4950, 4959, INDUSTRIALS),  # refuse
    (4900, 4999, UTILITIES),
    (5010, 5023, DISCRETIONARY),  # F: wholesale trade: vehicles, furniture
    (5045, 5045, TECHNOLOGY),
    (5047, 5047, HEALTH),
    (5065, 5065, TECHNOLOGY),
    (5000, 5099, INDUSTRIALS),
    (5122, 5122, HEALTH),  # drugs
    (5140, 5159, STAPLES),  # groceries, farm products
    (5160, 5169, MATERIALS),  # chemicals
    (5170, 5179, ENERGY),  # petroleum
    (5180, 5189, STAPLES),  # beer, wine
    (5100, 5199, DISCRETIONARY),
    (5331, 5331, STAPLES),  # G: retail trade: variety stores
    (5400, 5499, STAPLES),  # food
    (5912, 5912, STAPLES),  # drug stores
    (5200, 5999, DISCRETIONARY),
    (6324, 6324, HEALTH),  # H: finance, insurance, real estate: hospital and medical plans
    (6500, 6599, REAL_ESTATE),
    (6792, 6792, ENERGY),  # oil royalties
    (6798, 6798, REAL_ESTATE),  # investment trusts
    (6000, 6799, FINANCE),
    (7310, 7319, DISCRETIONARY),  # I: services: advertising
    (7370, 7379, TECHNOLOGY),  # software, data
    (7300, 7399, INDUSTRIALS),
    (7600, 7699, INDUSTRIALS),  # repair
    (7000, 7999, DISCRETIONARY),  # hotels, rental, amusement
    (8000, 8099, HEALTH),
    (8111, 8111, INDUSTRIALS),
    (8200, 8399, DISCRETIONARY),  # education, social services
    (8731, 8731, HEALTH),  # commercial physical and biological research
    (8700, 8799, INDUSTRIALS),  # engineering, management
)
"""First and last code, and sector, of a range; an exception precedes the range that contains it."""


def sector_of(code: str | int | None) -> str | None:
    """Return the sector of a SIC code such as "3674"; None if there is none."""
    text = str(code or "").strip()
    if not text.isdecimal():
        return None
    number = int(text)
    return next((sector for first, last, sector in _SECTORS if first <= number <= last), None)
