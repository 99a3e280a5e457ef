// What is known of the symbol: its facts, its bars, its splits and dividends, and its suspicious bars with evidence.
import { el, plural, short } from "/page/js/dom.js";

const MOST = 60;
const named = (name) => name.replaceAll("_", " ");
const written = (value) => (typeof value === "number" ? short(value) : String(value));

export function drawFacts(box, symbol) {
  const { facts, events, quality } = symbol;
  const rows = [
    ["bars", `${plural(symbol.bars, "bar")}, ${symbol.first} to ${symbol.last}`],
    ...Object.entries(facts).filter(([name, value]) => value != null && name !== "symbol").map(([name, value]) => [named(name), written(value)]),
  ];
  const newest = events.toReversed().filter(({ kind }) => kind !== "suspicious");
  box.replaceChildren(
    el("table", { class: "facts" }, el("tbody", {}, ...rows.map(([name, text]) =>
      el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, text))))),
    el("h3", {}, "Splits and dividends"),
    newest.length ? list(newest, ({ day, text }) => `${day}  ${text}`) : el("p", { class: "dim" }, "None is stored."),
    el("h3", {}, "Suspicious bars"),
    quality.length
      ? list(quality, ({ rule, first, last, evidence }) => `${first}${last === first ? "" : ` to ${last}`}  ${rule}: ${evidence}`)
      : el("p", { class: "dim" }, "No rule suspects a bar."));
}

function list(items, text) {
  return el("ul", { class: "lines" }, ...items.slice(0, MOST).map((item) => el("li", {}, text(item))),
    items.length > MOST && el("li", { class: "dim" }, `and ${items.length - MOST} more`));
}
