// Above the table: how many symbols were evaluated, why others were not, and what each clause left over.
import { button, el, isNarrow, percent, plural, whole, withWeekday } from "/page/js/dom.js";

const REASONS = {
  prescreen: "excluded by universe and where",
  stale: "without a bar in this session",
  short_history: "with fewer bars than the condition needs",
  unknown_facts: "with unknown facts",
  suspect: "with suspicious bars",
  suspicious: "with suspicious bars",
};
const reason = (name) => REASONS[name] ?? name.replaceAll("_", " ");

/** The name of a reason may be nested: facts that are unknown are counted by fact. */
function* exclusions(excluded) {
  for (const [name, count] of Object.entries(excluded ?? {})) {
    if (typeof count === "number") {
      if (count) yield [reason(name), count, name];
    } else {
      for (const [part, one] of Object.entries(count ?? {})) if (one) yield [`${reason(name)}: ${part}`, one, name];
    }
  }
}

const LISTED = new Set(["stale", "short_history", "suspect"]); // the server can list their symbols

/** A row whose text opens the list of its symbols; a click on a symbol selects it. */
function exclusion(count, text, name, { list, select }) {
  if (!LISTED.has(name)) return [];
  const symbols = el("td", { colSpan: 2, class: "symbols" });
  const below = el("tr", { hidden: true }, symbols);
  const opener = button(text, async () => {
    below.hidden = !below.hidden;
    opener.setAttribute("aria-expanded", String(!below.hidden));
    if (below.hidden || symbols.childElementCount) return;
    symbols.textContent = "…";
    try {
      const answer = await list(name);
      const more = answer.matched - answer.symbols.length;
      symbols.replaceChildren(
        ...answer.symbols.map((one) => button(one.symbol, () => select(one.symbol), { class: "quiet", title: one.name ?? "" })),
        more > 0 ? ` and ${whole(more)} more` : "");
    } catch (error) {
      symbols.textContent = error.message;
    }
  }, { class: "opener", "aria-expanded": "false", title: "List these symbols" });
  return [el("tr", {}, el("td", { class: "number" }, "− " + whole(count)), el("td", {}, opener)), below];
}

/** `actions`: `list(reason)` asks for the symbols of an exclusion, `select(symbol)` shows one. */
export function drawReceipt(line, box, answer, actions) {
  const { coverage = {}, warnings = [] } = answer;
  const out = [...exclusions(coverage.excluded)];
  const missing = out.reduce((sum, [, count, name]) => (name === "prescreen" ? sum : sum + count), 0);
  const parts = [
    el("span", {}, `coverage ${percent(coverage.share)}`),
    el("span", {}, `${whole(missing)} not evaluated`),
  ];
  if (warnings.length) parts.push(el("span", { class: "warn" }, plural(warnings.length, "warning")));
  line.replaceChildren(...parts, el("span", { class: "caret", "aria-hidden": "true" }, "▾"));

  const row = (count, text, more) =>
    el("tr", {}, el("td", { class: "number" }, count), el("td", {}, text, more?.length ? `: ${more.join(", ")}` : null));
  const table = el("table", {}, el("tbody", {},
    row(whole(coverage.expected ?? 0), `expected symbols on ${withWeekday(answer.as_of)}`),
    ...out.flatMap(([text, count, name]) => {
      const listed = exclusion(count, text, name, actions);
      const facts = name === "unknown_facts"
        ? Object.entries(coverage.unknown_facts ?? {}).map(([fact, n]) => `${fact} ${whole(n)}`) : [];
      return listed.length ? listed : [row("− " + whole(count), text, facts)];
    }),
    row(whole(coverage.evaluated ?? 0), "evaluated"),
    coverage.unsettled?.symbols
      ? row(whole(coverage.unsettled.symbols), `of these, with fewer than ${whole(coverage.unsettled.bars)} bars: values not settled; ` +
        `a longer history could change ${plural(coverage.unsettled.answers, "answer")}`)
      : ""));
  const timing = answer.timing ?? {};
  const ms = (x) => (x == null ? "–" : `${(x * 1000).toFixed(1)} ms`);
  box.replaceChildren(
    table,
    el("p", { class: "dim" }, `data version ${answer.data_version}; load ${ms(timing.load)}, evaluate ${ms(timing.evaluate)}, total ${ms(timing.total)}`),
    warnings.length
      ? el("ul", { class: "warnings" }, ...warnings.map((text) => el("li", {}, text))) : "");
}

/** Draws the steps; until the funnel of this answer is there, the clauses are those of the funnel before, greyed. */
export function drawFunnel(list, answer, { all = false, before = [] } = {}) {
  const { coverage = {}, funnel } = answer;
  if (!coverage.expected) return list.replaceChildren();
  const steps = [{ count: coverage.expected, text: "listed", title: "symbols expected in this session" }];
  const screened = coverage.excluded?.prescreen ?? 0;
  if (screened) steps.push({ count: coverage.expected - screened, text: "in scope", title: "left by universe and where" });
  steps.push({ count: coverage.evaluated, text: "evaluated", title: "symbols with all bars and facts that the condition needs" });
  list.classList.toggle("stale", !funnel && !all);
  for (const { clause, alone, together, unsettled } of (all ? [] : funnel ?? before))
    steps.push({ count: together, text: clause, code: true,
      title: `${clause}\nalone: ${whole(alone)}\nwith all clauses before it: ${whole(together)}` +
        (unsettled ? `\n${plural(unsettled, "value")} not settled` : "") });
  list.tabIndex = isNarrow() ? 0 : -1; // it scrolls sideways there
  list.classList.toggle("many", steps.length > 6); // then the clauses are in the titles only
  const most = Math.max(coverage.expected, 1);
  list.replaceChildren(...steps.map(({ count, text, code, title }) => {
    const bar = el("span", { class: "level" });
    bar.style.setProperty("--share", String(Math.max(count / most, count ? 0.01 : 0)));
    return el("li", { title, class: count ? "" : "none" },
      el("b", {}, whole(count)), " ", el(code ? "code" : "span", {}, text), bar);
  }));
}
