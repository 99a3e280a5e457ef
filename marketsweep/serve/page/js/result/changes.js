// What entered the scan since the session before, and what left it.
import { button, byId, el, whole, withWeekday } from "/page/js/dom.js";

export function createChanges({ select }) {
  const line = byId("changes-line"), box = byId("changes");
  line.addEventListener("click", () => open(box.hidden));

  function open(wanted) {
    box.hidden = !wanted;
    line.setAttribute("aria-expanded", String(wanted));
  }

  const symbols = (rows) => (rows.length
    ? rows.flatMap(({ symbol, values }) => [button(symbol, () => select(symbol), { class: "quiet", title: values.name ?? "" }), " "])
    : ["none"]);

  return {
    hide() {
      line.replaceChildren();
      open(false);
    },
    show({ entered, left, stayed, before }) {
      line.replaceChildren(
        el("span", { class: "gain" }, `+${whole(entered.length)} new`), " ",
        el("span", { class: "loss" }, `−${whole(left.length)} left`), el("span", { class: "caret", "aria-hidden": "true" }, "▾"));
      line.title = `since ${withWeekday(before)}`;
      box.replaceChildren(
        el("p", { class: "dim" }, `Compared with ${withWeekday(before)}: ${whole(stayed)} matched on both days.`),
        el("p", {}, el("b", {}, "New: "), ...symbols(entered)),
        el("p", {}, el("b", {}, "No longer: "), ...symbols(left)));
    },
  };
}
