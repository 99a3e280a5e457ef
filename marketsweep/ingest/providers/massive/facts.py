"""Float, short interest, ratios and statements from Massive, dated by the day they were known.

- float: float and float_percent, on their effective date.
- short_interest: short_interest and days_to_cover. FINRA publishes them after the close of the
  seventh session after the settlement date, so that they count from the eighth on.
- ratios: net_income, revenue, equity, debt, eps and others, on their date.
- financials: net_income, revenue, equity, debt, eps and the growth of two of them, on the day of
  the filing.

Massive has the newest float and ratios alone; the other groups have years of values. Earnings and
revenue are those of the last four quarters.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from marketsweep.core.calendar import next_session, session_on_or_before
from marketsweep.core.records import FactRow, FactValues
from marketsweep.ingest.providers.massive.bodies import Page, decode_reply, parse_day

PUBLISHED_AFTER: Final = 8
"""Sessions from the settlement date of short interest to the first one that knows it."""


class Endpoint(NamedTuple):
    """A list of rows, and how much of it is requested."""

    path: str
    limit: int
    """Rows in one call."""
    decode: Callable[[bytes], Page[Any]]
    filters: Mapping[str, str]
    since: str = ""
    """The parameter that takes the first day; "" if there is only the newest row."""
    days_before: int = 0
    """How many days before the first session values may have been known."""
    rows_a_year: int = 0
    """The approximate number of rows of the whole market in a year; of all, without `since`."""


class _Row(msgspec.Struct, frozen=True):
    ticker: str | None = None


class _FloatRow(_Row, frozen=True):
    effective_date: str | None = None
    free_float: float | None = None
    free_float_percent: float | None = None


class _ShortRow(_Row, frozen=True):
    settlement_date: str | None = None
    short_interest: float | None = None
    days_to_cover: float | None = None


class _RatioRow(_Row, frozen=True):
    date: str | None = None
    market_cap: float | None = None
    earnings_per_share: float | None = None
    price_to_earnings: float | None = None
    price_to_sales: float | None = None
    price_to_book: float | None = None
    debt_to_equity: float | None = None
    return_on_assets: float | None = None
    current: float | None = None
    quick: float | None = None
    free_cash_flow: float | None = None
    ev_to_ebitda: float | None = None


class _Statement(msgspec.Struct, frozen=True):
    tickers: list[str] | None = None
    filing_date: str | None = None
    period_end: str | None = None
    fiscal_year: float | None = None
    fiscal_quarter: float | None = None


class _IncomeRow(_Statement, frozen=True):
    revenue: float | None = None
    consolidated_net_income_loss: float | None = None
    net_income_loss_attributable_common_shareholders: float | None = None
    diluted_earnings_per_share: float | None = None


class _BalanceRow(_Statement, frozen=True):
    total_equity: float | None = None
    total_equity_attributable_to_parent: float | None = None
    debt_current: float | None = None
    long_term_debt_and_capital_lease_obligations: float | None = None


def _decoder(row: type[Any]) -> Callable[[bytes], Page[Any]]:
    decode = msgspec.json.Decoder(Page[row]).decode  # type: ignore[valid-type]
    return lambda body: decode_reply(decode, body)


_STATEMENTS: Final = "/stocks/financials/v1"

ENDPOINTS: Final[Mapping[str, tuple[Endpoint, ...]]] = {
    "float": (Endpoint("/stocks/vX/float", 5_000, _decoder(_FloatRow), {}, rows_a_year=6_000),),
    "short_interest": (
        Endpoint(
            *("/stocks/v1/short-interest", 50_000, _decoder(_ShortRow)),
            filters={"sort": "settlement_date.asc"},
            since="settlement_date.gte",
            days_before=45,
            rows_a_year=480_000,
        ),
    ),
    "ratios": (
        Endpoint(f"{_STATEMENTS}/ratios", 50_000, _decoder(_RatioRow), {}, rows_a_year=6_000),
    ),
    "financials": (
        Endpoint(
            *(f"{_STATEMENTS}/income-statements", 50_000, _decoder(_IncomeRow)),
            filters={"timeframe": "trailing_twelve_months", "sort": "filing_date.asc"},
            since="filing_date.gte",
            days_before=550,
            rows_a_year=24_000,
        ),
        Endpoint(
            *(f"{_STATEMENTS}/balance-sheets", 50_000, _decoder(_BalanceRow)),
            filters={"timeframe.any_of": "quarterly,annual", "sort": "filing_date.asc"},
            since="filing_date.gte",
            days_before=200,
            rows_a_year=24_000,
        ),
    ),
}
"""The lists of each group of facts."""

GROUPS: Final = tuple(ENDPOINTS)


def to_facts(group: str, pages: Sequence[Sequence[Any]]) -> list[FactValues]:
    """Return the facts of a group; `pages` has the rows of each of its lists."""
    values: defaultdict[str, list[FactRow]] = defaultdict(list)
    for name, ticker, day, value in _ROWS[group](*pages):
        values[name].append((ticker, day, value))
    return [
        # A list without a value ends the stored ones, if there are any.
        FactValues(name, None if all(row[2] is None for row in rows) else "number", rows)
        for name, rows in sorted(values.items())
    ]


_Value = tuple[str, str, dt.date, float | None]
"""The name of a fact, a ticker, the day on which it was known, and the value."""


def _floats(rows: Iterable[_FloatRow]) -> Iterator[_Value]:
    for row in rows:
        day = parse_day(row.effective_date)
        if row.ticker and day:
            yield "float", row.ticker, day, row.free_float
            yield "float_percent", row.ticker, day, row.free_float_percent


def _shorts(rows: Iterable[_ShortRow]) -> Iterator[_Value]:
    published: dict[dt.date, dt.date] = {}
    for row in rows:
        settled = parse_day(row.settlement_date)
        if not row.ticker or settled is None:
            continue
        if settled not in published:
            day = session_on_or_before(settled)
            for _ in range(PUBLISHED_AFTER):
                day = next_session(day)
            published[settled] = day
        yield "short_interest", row.ticker, published[settled], row.short_interest
        yield "days_to_cover", row.ticker, published[settled], row.days_to_cover


def _ratios(rows: Iterable[_RatioRow]) -> Iterator[_Value]:
    for row in rows:
        day, cap = parse_day(row.date), row.market_cap
        if not row.ticker or day is None:
            continue
        # The amounts behind the ratios: so a ratio follows the price of any day.
        equity = _divided(cap, row.price_to_book)
        debt = None
        if equity is not None and row.debt_to_equity is not None:
            debt = equity * row.debt_to_equity
        of_row = {
            "net_income": _divided(cap, row.price_to_earnings),
            "revenue": _divided(cap, row.price_to_sales),
            "equity": equity,
            "debt": debt,
            "eps": row.earnings_per_share,
            "roa": None if row.return_on_assets is None else 100 * row.return_on_assets,
            "current_ratio": row.current,
            "quick_ratio": row.quick,
            "free_cash_flow": row.free_cash_flow,
            "ev_to_ebitda": row.ev_to_ebitda,
        }
        for name, value in of_row.items():
            yield name, row.ticker, day, value


def _statements(incomes: Iterable[_IncomeRow], balances: Iterable[_BalanceRow]) -> Iterator[_Value]:
    before: dict[tuple[str, float, float], _IncomeRow] = {}
    for ticker, day, row in _in_order(incomes):
        net_income = row.net_income_loss_attributable_common_shareholders
        if net_income is None:
            net_income = row.consolidated_net_income_loss
        yield "revenue", ticker, day, row.revenue
        yield "net_income", ticker, day, net_income
        yield "eps", ticker, day, row.diluted_earnings_per_share
        if row.fiscal_year is None or row.fiscal_quarter is None:
            continue
        before[ticker, row.fiscal_year, row.fiscal_quarter] = row
        earlier = before.get((ticker, row.fiscal_year - 1, row.fiscal_quarter))
        if earlier is not None:
            growth = _growth(row.revenue, earlier.revenue)
            yield "revenue_growth", ticker, day, growth
            eps = row.diluted_earnings_per_share, earlier.diluted_earnings_per_share
            yield "eps_growth", ticker, day, _growth(*eps)
    for ticker, day, sheet in _in_order(balances):
        equity = sheet.total_equity_attributable_to_parent
        yield "equity", ticker, day, sheet.total_equity if equity is None else equity
        debts = (sheet.debt_current, sheet.long_term_debt_and_capital_lease_obligations)
        known = [debt for debt in debts if debt is not None]
        yield "debt", ticker, day, sum(known) if known else None


def _in_order(rows: Iterable[Any]) -> Iterator[tuple[str, dt.date, Any]]:
    """Yield the rows of each ticker by filing date, without corrections of earlier periods."""
    dated = [
        (filed, ended, row)
        for row in rows
        if (filed := parse_day(row.filing_date)) and (ended := parse_day(row.period_end))
    ]
    newest: dict[str, dt.date] = {}
    for filed, ended, row in sorted(dated, key=lambda entry: entry[:2]):
        for ticker in row.tickers or ():
            if ended >= newest.get(ticker, ended):
                newest[ticker] = ended
                yield ticker, filed, row


def _divided(amount: float | None, ratio: float | None) -> float | None:
    return amount / ratio if amount is not None and ratio else None


def _growth(now: float | None, before: float | None) -> float | None:
    """Return the growth in percent; None from zero or a loss."""
    if now is None or before is None or before <= 0:
        return None
    return 100 * (now / before - 1)


_ROWS: Final[Mapping[str, Callable[..., Iterator[_Value]]]] = {
    "float": _floats,
    "short_interest": _shorts,
    "ratios": _ratios,
    "financials": _statements,
}
