// The history of the condition: how many matched in each session, what entered, and what left.
import { button, el, whole, withWeekday } from "/page/js/dom.js";

const MOST = 24; // symbols of a cell; the others are counted

export function drawHistory(box, { sessions }, { select, go }) {
  const symbols = (all) => [
    ...all.slice(0, MOST).flatMap((symbol) => [" ", button(symbol, () => select(symbol), { class: "quiet" })]),
    all.length > MOST && el("span", { class: "dim" }, ` and ${whole(all.length - MOST)} more`),
  ];
  const cell = (all, sign, kind) => el("td", { class: "symbols" },
    el("span", { class: all.length ? kind : "dim" }, `${sign}${whole(all.length)}`), ...symbols(all));
  box.replaceChildren(
    el("p", { class: "dim" }, "Each session is evaluated on the data that is stored now. New and left are against the session before."),
    el("div", { class: "wide" }, el("table", { class: "history" },
      el("thead", {}, el("tr", {}, ...["session", "matches", "new", "left"].map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, ...sessions.toReversed().map(({ day, matched, entered, left }) => el("tr", {},
        el("th", { scope: "row" }, button(withWeekday(day), () => go(day), { class: "quiet", title: "Scan as of this session" })),
        el("td", { class: "number" }, whole(matched)), cell(entered, "+", "gain"), cell(left, "−", "loss")))))));
}
