"""The work of each endpoint: from the parameters of a request to plain data, hits or a frame."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import structs

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.errors import UsageError
from marketsweep.language import tree
from marketsweep.language.parsing.parser import split_expressions
from marketsweep.language.tree import Kind
from marketsweep.language.vocabulary import CALENDAR, EXAMPLES, KEYWORDS
from marketsweep.output.charts.page import chart_data
from marketsweep.output.indicator_facts import indicators_facts
from marketsweep.scan.bar_events import find_events
from marketsweep.scan.market_view import resolve_session
from marketsweep.scan.results import Hits
from marketsweep.serve.api.parameters import (
    MOST_MATCHES,
    BarsParameters,
    ChangesParameters,
    ChartParameters,
    EvaluatedParameters,
    ExcludedParameters,
    ExplainParameters,
    NoParameters,
    QualityParameters,
    ScanParameters,
    SignalsParameters,
    SparklinesParameters,
    StudyParameters,
    SymbolParameters,
    SymbolsParameters,
    SyncParameters,
)
from marketsweep.serve.api.periods import merged
from marketsweep.serve.api.problem import Problem
from marketsweep.serve.api.quality import quality
from marketsweep.serve.api.service import Service
from marketsweep.serve.api.sparklines import last_closes
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.status import read_status
from marketsweep.universe.screen import NO_SCREEN
from marketsweep.universe.stored_facts import facts_of

if TYPE_CHECKING:
    import polars as pl

_LISTED: Final = ("name", "type", "exchange")
_PAGE: Final = 500
_MOST_COLUMNS: Final = 50
_MOST_SYMBOLS: Final = 200
_MOST_VALUES: Final = 400
"""The most values of a text fact that an editor offers."""


def scan(service: Service, parameters: ScanParameters) -> Hits:
    """Find the symbols for which a condition holds, ranked, with the receipt of the coverage."""
    columns = len(split_expressions(parameters.columns))
    if columns > _MOST_COLUMNS:
        raise UsageError(f"columns: at most {_MOST_COLUMNS}, and there are {columns:,}")
    limit = parameters.limit
    if limit is None:
        limit = _PAGE if parameters.format == "json" else MOST_MATCHES
    return service.hits(parameters).page(parameters.offset, limit)


def excluded(service: Service, parameters: ExcludedParameters) -> dict[str, Any]:
    """List the symbols that a scan did not evaluate for a reason, with their names."""
    coverage = service.hits(_scan_of(parameters)).coverage
    by_reason: dict[str, Callable[[], list[str]]] = {
        "stale": lambda: coverage.stale_symbols,
        "short_history": coverage.find_short,
        "suspect": lambda: coverage.suspect_symbols,
    }
    names = sorted(by_reason[parameters.reason]())
    page = names[parameters.offset : parameters.offset + parameters.limit]
    with service.market.view() as view:
        day = resolve_session(view.snapshot, parameters.as_of)
        reference = view.day(day).reference
        rows = [{"symbol": name, "name": reference.fact(name, "name")} for name in page]
    return {"reason": parameters.reason, "matched": len(names), "symbols": rows}


def changes(service: Service, parameters: ChangesParameters) -> dict[str, Any]:
    """List the symbols that entered a scan since the session before, and those that left it."""
    with service.market.view() as view:
        day = resolve_session(view.snapshot, parameters.as_of)
        earlier = [session for session in view.sessions_of(day) if session < day][-1:]
    if not earlier:
        raise UsageError(f"no session before {day} is stored")
    now, before = (
        service.hits(_scan_of(parameters, as_of=session, columns="name,roc(1)"))
        for session in (day, earlier[0])
    )
    return {
        "condition": now.condition,
        "as_of": day,
        "before": earlier[0],
        "entered": _rows_beyond(now, before),
        "left": _rows_beyond(before, now),
        "stayed": len(set(now.symbols) & set(before.symbols)),
        "data_version": now.data_version,
    }


def _scan_of(parameters: EvaluatedParameters, **more: Any) -> ScanParameters:  # noqa: ANN401
    """Return the scan of a condition that is evaluated for something else, with `more` set."""
    shared = {name: getattr(parameters, name) for name in EvaluatedParameters.__struct_fields__}
    return ScanParameters(**shared | more)


def _rows_beyond(hits: Hits, others: Hits) -> list[dict[str, Any]]:
    """Return the matches of hits that are not among those of the others."""
    known = set(others.symbols)
    return [match._asdict() for match in hits.matches if match.symbol not in known]


def explain(service: Service, parameters: ExplainParameters) -> dict[str, Any]:
    """Explain why a symbol matches a condition or not."""
    explanation = service.market.explain(
        _ticker(service, parameters.symbol),
        parameters.condition,
        as_of=parameters.as_of,
        adjust=parameters.adjust,
    )
    return explanation.to_dict()


def chart(service: Service, parameters: ChartParameters) -> dict[str, Any]:
    """Return what a chart shows: bars, lines, events, and the days on which a condition held."""
    drawing = service.market.chart(
        _ticker(service, parameters.symbol),
        parameters.indicators,
        parameters.condition,
        as_of=parameters.as_of,
        bars=parameters.bars,
        adjust=parameters.adjust,
    ).drawing
    change, drawing = drawing.change, merged(drawing, parameters.interval)
    return {
        **chart_data(drawing),
        "name": drawing.name,
        "as_of": drawing.as_of,
        "adjust": drawing.adjust,
        "condition": drawing.condition,
        "change": change,
        "facts": drawing.facts,
        "warnings": drawing.warnings,
    }


def sparklines(service: Service, parameters: SparklinesParameters) -> dict[str, Any]:
    """Return the last closes of some symbols; symbols without stored bars have none."""
    names = [name for text in parameters.symbols.split(",") if (name := text.strip())]
    if len(names) > _MOST_SYMBOLS:
        raise UsageError(f"symbols: at most {_MOST_SYMBOLS}, and there are {len(names):,}")
    with service.market.view() as view:
        day = resolve_session(view.snapshot, parameters.as_of)
        known = [name for name in names if name in view.snapshot.index]
        closes = last_closes(view, day, known, parameters.bars, parameters.adjust)
    return {
        "as_of": day,
        "symbols": names,
        "closes": [closes[name].tolist() if name in closes else [] for name in names],
    }


def signals(service: Service, parameters: SignalsParameters) -> dict[str, Any]:
    """Count the matches of a condition in each session."""
    result = service.market.signals(
        parameters.condition,
        since=parameters.since,
        until=parameters.until,
        where=parameters.where,
        universe=parameters.universe,
        unknown=parameters.unknown,
        adjust=parameters.adjust,
    )
    return {
        "condition": result.condition,
        "hits": len(result),
        "sessions": [
            {"day": of.session, "matched": of.matches, "evaluated": of.evaluated}
            for of in result.sessions
        ],
        "warnings": result.warnings,
        "data_version": result.data_version,
    }


def study(service: Service, parameters: StudyParameters) -> dict[str, Any]:
    """Return what followed the signals of a condition."""
    return service.market.study(
        parameters.condition,
        since=parameters.since,
        until=parameters.until,
        where=parameters.where,
        universe=parameters.universe,
        unknown=parameters.unknown,
        benchmark=parameters.benchmark,
    ).to_dict()


def symbols(service: Service, parameters: SymbolsParameters) -> dict[str, Any]:
    """Find symbols by the start of the ticker, then by a part of the name."""
    wanted = parameters.q.strip().casefold()
    with service.market.view() as view:
        reference = view.day(resolve_session(view.snapshot, None)).reference
        rows = [
            {"symbol": symbol, **{name: reference.fact(symbol, name) for name in _LISTED}}
            for symbol in view.snapshot.symbols
        ]
    starts = [row for row in rows if str(row["symbol"]).casefold().startswith(wanted)]
    named = [row for row in rows if wanted in str(row["name"] or "").casefold()]
    unique = {row["symbol"]: row for row in [*starts, *named]}
    return {"matched": len(unique), "symbols": list(unique.values())[: parameters.limit]}


def symbol(service: Service, parameters: SymbolParameters) -> dict[str, Any]:
    """Return the facts of a symbol, its splits and dividends, and its suspicious bars."""
    flags = quality(service, QualityParameters(symbol=parameters.symbol, limit=MOST_MATCHES))[
        "flags"
    ]
    with service.market.view() as view:
        ticker = _stored_ticker(view.snapshot, parameters.symbol)
        day = resolve_session(view.snapshot, parameters.as_of)
        market_day = view.day(day)
        facts = facts_of(market_day.reference, ticker)
        events = find_events(market_day.history, [ticker])[ticker]
        present = market_day.history.presence(np.array([view.snapshot.column_of(ticker)]))[:, 0]
        days = [d for d, here in zip(market_day.history.dates, present, strict=True) if here]
    return {
        "symbol": ticker,
        "name": facts.get("name"),
        "as_of": day,
        "bars": len(days),
        "first": days[0] if days else None,
        "last": days[-1] if days else None,
        "facts": facts,
        "events": [event._asdict() for event in events],
        "quality": [flag for flag in flags if flag["first"] <= f"{day}"],
    }


def bars(service: Service, parameters: BarsParameters) -> pl.DataFrame:
    """Return all bars of a symbol, adjusted."""
    ticker = _ticker(service, parameters.symbol)
    return service.market.history(ticker, as_of=parameters.as_of, adjust=parameters.adjust)


def indicators(service: Service, parameters: NoParameters) -> list[dict[str, Any]]:
    """List the indicators, with their parameters, outputs, units and formulas."""
    return indicators_facts(None)


def start_sync(service: Service, parameters: SyncParameters) -> dict[str, Any]:
    """Start a sync of the whole market, and return its progress; GET /sync follows it."""
    return structs.asdict(service.sync.start(parameters.since, parameters.until))


def stop_sync(service: Service, parameters: NoParameters) -> dict[str, Any]:
    """Stop the sync after its current call; what is committed stays."""
    return structs.asdict(service.sync.stop())


def status(service: Service, parameters: NoParameters) -> dict[str, Any]:
    """Return what is stored: the status without a check of every byte, and the sessions."""
    result = read_status(service.market.store, verify=False).to_dict()
    del result["path"]  # nobody needs to know it over the network
    with service.market.view() as view:
        return {**result, "days": list(view.snapshot.whole)}


def vocabulary(service: Service, parameters: NoParameters) -> dict[str, Any]:
    """Return the words of the language and of the data folder, for an editor."""
    with service.market.view() as view:
        day = resolve_session(view.snapshot, None)
        reference = view.day(day).reference
        own = reference.own.kinds
        tickers = [
            view.snapshot.symbols[column] for column in view.universe(day, NO_SCREEN).columns
        ]
        kinds = {**tree.FACTS, **own}
        counts = {
            name: Counter(v for v in reference.values_of(tickers, name) if v is not None)
            for name, kind in kinds.items()
            if kind is Kind.TEXT and name not in ("symbol", "name")
        }
    return {
        "fields": [
            *({"name": name, "doc": f"the {name} of the bar"} for name in FIELDS),
            *({"name": name, "doc": formula} for name, formula in DERIVED.items()),
            *({"name": name, "doc": doc} for name, doc in CALENDAR.items()),
        ],
        "functions": [{"name": name, "example": text} for name, text in EXAMPLES.items()],
        "keywords": sorted(KEYWORDS),
        "facts": [
            {
                "name": name,
                "kind": kind.name.lower(),
                "values": [
                    {"value": value, "count": count}
                    for value, count in counts.get(name, Counter()).most_common(_MOST_VALUES)
                ],
            }
            for name, kind in kinds.items()
        ],
    }


def _ticker(service: Service, name: str) -> str:
    with service.market.view() as view:
        return _stored_ticker(view.snapshot, name)


def _stored_ticker(snapshot: Snapshot, name: str) -> str:
    """Return a ticker in the spelling of the store. Raises Problem if it is not stored."""
    try:
        return snapshot.ticker(name)
    except UsageError as error:
        raise Problem(404, "unknown_symbol", str(error)) from None


def plain_frame(frame: pl.DataFrame) -> dict[str, list[Any]]:
    """Return a frame as a list for each column."""
    return {
        name: [value.isoformat() if isinstance(value, dt.date) else value for value in column]
        for name, column in frame.to_dict(as_series=False).items()
    }
