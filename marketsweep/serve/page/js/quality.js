// Suspicious bars: how many each rule suspects, and on a click which ones, with the evidence.
import { get } from "/page/js/api.js";
import { button, el, whole } from "/page/js/dom.js";

const MOST = 100;

/** `select` is called with a symbol and the day of its suspicious bars. */
export function createQuality({ select }) {
  const box = el("div", { class: "quality" });

  async function show(rule) {
    box.replaceChildren(el("p", { class: "dim", role: "status" }, "Judging all bars …"));
    try {
      draw(await get("quality", { rule, limit: rule ? MOST : 0 }), rule);
    } catch ({ message }) {
      box.replaceChildren(el("p", { class: "loss" }, message));
    }
  }

  function draw({ rules, flags, matched }, chosen) {
    const suspected = rules.filter((rule) => rule.flags);
    box.replaceChildren(
      el("p", { class: "rules" }, el("b", {}, "Suspicious bars"), ...suspected.map((rule) => button(`${rule.name} ${whole(rule.flags)}`, () => show(rule.name),
        { class: "suggestion", title: rule.doc, "aria-pressed": String(rule.name === chosen) }))),
      suspected.length ? "" : el("p", { class: "dim" }, "No rule suspects a bar."),
      chosen ? el("p", { class: "dim" }, rules.find(({ name }) => name === chosen).doc) : "",
      el("ul", {}, ...flags.map((flag) => el("li", {},
        button(flag.symbol, () => select(flag), { class: "suggestion" }),
        ` ${flag.first}${flag.last === flag.first ? "" : " to " + flag.last}: ${flag.evidence}`))),
      matched > flags.length && chosen ? el("p", { class: "dim" }, `and ${whole(matched - flags.length)} more`) : "");
  }

  return { box, show: () => show() };
}
