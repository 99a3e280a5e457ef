// The panels below the chart: what each of them is about, asks for, and draws.
import { get } from "/page/js/api.js";
import { drawExplain } from "/page/js/detail/explain.js";
import { drawFacts } from "/page/js/detail/facts.js";
import { drawHistory } from "/page/js/detail/history.js";
import { drawRecord } from "/page/js/detail/record.js";

/** `of` names what the panel depends on; `missing` says in words what it lacks; `long` says what takes its time. */
export const PANELS = {
  explain: {
    of: ["condition", "symbol"],
    missing: ({ condition, symbol }) => !condition
      ? "Type a condition above, to see here why this symbol matches or not."
      : symbol ? "" : "Select a row to see why it matches.",
    ask: ({ symbol, condition, as_of }, signal) => get("explain", { symbol, condition, as_of }, signal),
    draw: (box, answer, { hues }) => drawExplain(box, answer, hues),
  },
  record: {
    of: ["condition", "scope"],
    missing: ({ condition }) => (condition ? "" : "Type a condition above: the track record tells what followed its past matches."),
    long: "Computing what followed each past match",
    ask: ({ condition, as_of, scope }, signal) => get("study", { condition, until: as_of, ...scope }, signal),
    draw: drawRecord,
  },
  history: {
    of: ["condition", "scope"],
    missing: ({ condition }) => (condition ? "" : "Type a condition above, to see here what entered it and left it in each session."),
    long: "Scanning the last sessions",
    ask: ({ condition, as_of, scope }, signal) => get("history", { condition, as_of, sessions: 20, ...scope }, signal),
    draw: drawHistory,
  },
  facts: {
    of: ["symbol"],
    missing: ({ symbol }) => (symbol ? "" : "Select a row to see the facts of its symbol."),
    ask: ({ symbol, as_of }, signal) => get(`symbols/${encodeURIComponent(symbol)}`, { as_of }, signal),
    draw: drawFacts,
  },
};
