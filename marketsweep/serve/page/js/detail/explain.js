// Why a symbol matches, or does not: the tree of the condition with values and distances.
import { digits, el, price, short, withWeekday } from "/page/js/dom.js";

const TRUTH = { true: ["✓", "yes", "true"], false: ["✗", "no", "false"], null: ["?", "unknown", "unknown"] };

const value = (x) => {
  if (x === null || x === undefined) return "unknown";
  if (typeof x === "number") return Math.abs(x) >= 1e6 ? short(x) : Number.isInteger(x) ? digits(x, 0) : price(x);
  return String(x);
};

export function drawExplain(box, answer, hues) {
  const verdict = answer.holds === true ? "matches" : answer.holds === false ? "does not match" : "cannot be decided";
  const rows = answer.parts.map(({ depth, text, value: x, distance, unsettled }) => {
    const truth = x === true || x === false ? TRUTH[x] : null;
    const hue = hues.get(text);
    const name = el("code", { class: hue == null ? "" : `hue-${hue % 6}` }, text);
    const cell = el("th", { scope: "row" },
      truth ? el("span", { class: `truth ${truth[1]}`, "aria-label": truth[2] }, truth[0]) : el("span", { class: "truth", "aria-hidden": "true" }, "·"),
      name);
    cell.style.setProperty("--depth", String(depth));
    return el("tr", { class: truth ? "clause" : "operand" }, cell,
      el("td", { class: "number", title: x == null ? "" : String(x) }, truth ? "" : (unsettled ? "~" : "") + value(x)),
      el("td", { class: "number dim" }, distance == null ? "" : `${digits(Math.abs(distance) * 100, 1)} % away`));
  });
  box.replaceChildren(
    el("p", { class: "lead" }, el("b", {}, answer.symbol), ` ${verdict} on ${withWeekday(answer.as_of)}`),
    el("table", { class: "tree" }, el("tbody", {}, ...rows)),
    ...(answer.warnings ?? []).map((text) => el("p", { class: "dim" }, text)),
    answer.suspicious ? el("p", { class: "warn" }, `Suspicious bars: ${answer.suspicious}`) : "");
}
