// The track record: what followed the past matches of the condition.
import { el, percent, plural, signed, whole } from "/page/js/dom.js";

// All columns of returns are in percent; the head says so once.
const points = (share, places = 2) => (share == null ? "–" : signed(share, places).replace(" %", ""));
const range = (low, high) => (low == null ? "–" : `${points(low, 1)} to ${points(high, 1)}`);

function notes(study) {
  if (Array.isArray(study.notes)) return study.notes;
  const told = [];
  for (const one of study.horizons) {
    const parts = [];
    if (one.open) parts.push(`${whole(one.open)} still open: the session of the exit is not stored`);
    if (one.no_entry) parts.push(`${whole(one.no_entry)} without a price at the entry`);
    if (one.delisted) parts.push(`${whole(one.delisted)} ended by a delisting, at the last close`);
    if (parts.length) told.push(`After ${plural(one.sessions, "session")}: ${parts.join("; ")}.`);
  }
  if (study.horizons.some((one) => one.events && one.ci_low == null))
    told.push("No interval: the events lie in too few sessions for one.");
  if (study.trials > 1)
    told.push(`${whole(study.trials)} conditions were tried on this data so far: an interval of 95 % leaves out zero for one in twenty that do nothing.`);
  return told;
}

export function drawRecord(box, study) {
  const heads = ["sessions", "events", "mean %", "95 % interval", "median %", "above 0", "excess %", "95 % interval"];
  const rows = study.horizons.map((one) => {
    const cells = one.events
      ? [whole(one.events), points(one.mean), range(one.ci_low, one.ci_high), points(one.median), percent(one.hit_rate),
        points(one.excess_market), range(one.excess_market_low, one.excess_market_high)]
      : ["0", "–", "–", "–", "–", "–", "–"];
    return el("tr", {}, el("th", { scope: "row", class: "number" }, whole(one.sessions)),
      ...cells.map((text) => el("td", { class: "number" }, text)));
  });
  box.replaceChildren(
    el("p", { class: "lead" }, el("b", {}, plural(study.events, "event")),
      ` of ${plural(study.symbols, "symbol")}, ${study.since} to ${study.until}`),
    el("p", { class: "dim" },
      "Each event is the first session of a streak. It is bought at the next open and sold at the close after as many sessions. ",
      `Returns include dividends ${study.costs ? `and costs of ${study.costs} basis points` : "and no costs"}. `,
      "The excess is the mean less the mean of the whole market over the same days."),
    el("div", { class: "wide" }, el("table", { class: "record" },
      el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col", class: "number" }, text)))),
      el("tbody", {}, ...rows))),
    el("ul", { class: "notes" }, ...[...notes(study), ...(study.warnings ?? [])].map((text) => el("li", {}, text))));
}
