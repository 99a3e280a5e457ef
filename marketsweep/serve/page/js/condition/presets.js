// The menu of presets: a search, and a list of names with their doc. A click puts the preset into the editor.
import { button, byId, el } from "/page/js/dom.js";

export function createPresets({ choose }) {
  const opener = byId("presets"), menu = byId("preset-menu");
  let all = [];
  const search = el("input", {
    type: "search", placeholder: "search presets", "aria-label": "Search presets", autocomplete: "off", oninput: () => draw(),
  });
  const list = el("ul", { class: "preset-list" });
  menu.append(search, list);

  function draw() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/);
    const found = all.filter((one) => {
      const text = `${one.name} ${one.doc} ${one.condition}`.toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
    list.replaceChildren(...found.map((one) => el("li", {},
      el("button", { type: "button", title: one.condition, onclick: () => { close(); choose(one); } },
        el("code", {}, one.name), one.own ? el("small", {}, " your own") : "", el("span", {}, one.doc || one.condition)))));
    if (!found.length) list.append(el("li", { class: "dim" }, "No preset has these words."));
  }

  function close() {
    menu.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  }
  function open() {
    menu.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    search.value = "";
    draw();
    search.focus();
  }
  opener.addEventListener("click", () => (menu.hidden ? open() : close()));
  menu.addEventListener("keydown", (event) => {
    const buttons = [...list.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    if (event.key === "Escape") { close(); opener.focus(); }
    else if (event.key === "ArrowDown") buttons[Math.min(buttons.length - 1, at + 1)]?.focus();
    else if (event.key === "ArrowUp") (at <= 0 ? search : buttons[at - 1]).focus();
    else if (event.key === "Enter" && at < 0) buttons[0]?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.hidden && !menu.contains(event.target) && event.target !== opener) close();
  });
  return {
    fill(presets) {
      all = presets;
      draw();
    },
  };
}
