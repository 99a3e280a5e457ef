// The keys of the page, and the list of them.
import { byId, el } from "/page/js/dom.js";

const LIST = [
  ["/", "edit the condition"], ["Enter", "run it"], ["Shift Enter", "new line"], ["Tab", "take a completion"],
  ["g", "go to a symbol"], ["j", "next match"], ["k", "previous match"], ["e", "why it matches"], ["t", "track record"], ["h", "history"], ["i", "facts of the symbol"],
  ["f", "pin the row"], ["c", "copy tickers"], ["[", "previous session"], ["]", "next session"],
  ["Esc", "close, or leave a field"], ["?", "this list"],
];

export function createKeys(actions) {
  const list = byId("keys"), opener = byId("help");
  list.append(el("ul", {}, ...LIST.map(([key, text]) => el("li", {}, el("kbd", {}, key), " ", text))));
  const toggle = (open = list.hidden) => {
    list.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
  };
  opener.addEventListener("click", () => toggle());
  addEventListener("keydown", (event) => {
    const target = event.composedPath()[0];
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
    if (target.isContentEditable || target.closest?.("input:not([type=range]), select, textarea")) return;
    if (event.key === "Escape" && !list.hidden) return toggle(false);
    const action = event.key === "?" ? () => toggle() : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
