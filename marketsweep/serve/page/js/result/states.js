// What stands in place of the table: no data yet, no match, an error.
import { button, el, percent, plural, whole } from "/page/js/dom.js";

const point = (title, ...rest) => [el("h2", {}, title), ...rest];

export function noData(box) {
  box.replaceChildren(...point("No data is stored yet",
    el("p", {}, "marketsweep scans bars that are stored on this machine. Fetch them once, then reload this page:"),
    el("pre", {}, "marketsweep sync"),
    el("p", { class: "dim" }, "A year of daily bars of the whole US market takes about 65 MB. ",
      "Without an account of a data provider, try the market of 2016 that is part of marketsweep:"),
    el("pre", {}, "marketsweep demo")));
}

export function noMatch(box, answer, { select, edit }) {
  const { coverage = {} } = answer;
  const funnel = answer.funnel ?? [], near = (answer.near ?? []).filter(({ distance }) => !(distance > 0.5)); // farther is not near
  const alone = funnel.find(({ alone }) => alone === 0);
  const stop = alone ?? funnel.find(({ together }) => together === 0);
  const parts = [];
  const screen = coverage.prescreen?.clauses?.find(({ left }) => left === 0);
  if (screen) {
    const unknown = screen.unknown === coverage.expected;
    parts.push(el("p", {}, "The universe and where ask for ", el("code", {}, screen.text), unknown
      ? `. The stored data does not have this fact for any of the ${plural(coverage.expected, "symbol")}.`
      : screen.alone === coverage.expected ? ". It is true for no symbol." : ". It is true for no symbol that passes the clauses before it.",
    " Choose another universe, or change where."));
  } else if (!coverage.evaluated) {
    parts.push(el("p", {}, "No symbol could be evaluated. A click on the coverage above shows the reasons."));
  } else if (stop) {
    const at = funnel.indexOf(stop);
    const before = at > 0 ? funnel[at - 1].together : coverage.evaluated;
    parts.push(el("p", {}, el("code", {}, stop.clause),
      stop.alone === 0
        ? ` is true for none of the ${plural(coverage.evaluated, "evaluated symbol")}.`
        : ` is true for ${whole(stop.alone)} symbols, but for none of the ${whole(before)} that pass the clauses before it.`));
  }
  if (near.length) {
    parts.push(el("h3", {}, "Near misses: symbols that fail only one clause"));
    parts.push(el("table", { class: "near" },
      el("thead", {}, el("tr", {}, ...["symbol", "clause that fails", "distance"].map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, ...near.map(({ symbol, clause, distance }) => el("tr", {},
        el("td", {}, button(symbol, () => select(symbol), { class: "quiet" })),
        el("td", {}, el("code", {}, clause)),
        el("td", { class: "number" }, distance == null ? "–" : percent(distance)))))));
  }
  parts.push(button("Edit the condition", edit));
  box.replaceChildren(...point("No symbol matches", ...parts));
}

/** The line of the condition that has the mistake, with marks under it. */
function pointed({ source, column = 0, width = 1 }) {
  const start = source.lastIndexOf("\n", column - 1) + 1;
  const line = source.slice(start).split("\n")[0];
  return `${line}\n${" ".repeat(column - start)}${"^".repeat(Math.max(1, width))}`;
}

export function failed(box, problem, { again }) {
  const unreachable = problem.code === "unreachable";
  box.replaceChildren(...point(unreachable ? "The server does not answer" : problem.source ? "There is a mistake in the text" : "The scan did not run",
    el("p", {}, problem.detail ?? problem.title ?? ""),
    problem.source ? el("pre", {}, pointed(problem)) : "",
    unreachable ? el("pre", {}, "marketsweep serve") : "",
    problem.source ? "" : button("Try again", again)));
}
