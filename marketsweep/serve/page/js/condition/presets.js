// The menu of presets: a search, and a list of names with their doc and the number of their matches. A click puts
// the preset into the editor. Conditions of your own can be deleted, and brought back.
import { get, send } from "/page/js/api.js";
import { button, byId, el, whole } from "/page/js/dom.js";
import { store } from "/page/js/state.js";

export function createPresets({ choose, changed }) {
  const opener = byId("presets"), menu = byId("preset-menu");
  let all = [], counts = {}, counted = "", asked = ""; // `asked`: the name whose deletion waits for a second click
  const search = el("input", {
    type: "search", placeholder: "search presets", "aria-label": "Search presets", autocomplete: "off", oninput: () => draw(),
  });
  const list = el("ul", { class: "preset-list" }), note = el("p", { class: "note", role: "status" });
  menu.append(search, list, note);

  function draw() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/);
    const found = all.filter((one) => {
      const text = `${one.name} ${one.doc} ${one.condition}`.toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
    list.replaceChildren(...found.map(row));
    if (!found.length) list.append(el("li", { class: "dim" }, "No preset has these words."));
  }

  function row(preset) {
    const { name, own, doc, condition } = preset, count = counts[name];
    const matches = count === undefined ? "" : count === null ? "faulty" : whole(count);
    return el("li", {},
      el("button", { type: "button", title: condition, onclick: () => { close(); choose(preset); } },
        el("b", { class: "number", "aria-label": count == null ? null : `${matches} matches` }, matches),
        el("code", {}, name), own ? el("small", {}, " your own") : "", el("span", {}, doc || condition)),
      own && button(asked === name ? "Delete it?" : "Delete", () => remove(preset), { class: "delete", "aria-label": `Delete ${name}` }));
  }

  async function remove(preset) {
    const { name, condition, doc } = preset;
    if (asked !== name) {
      asked = name;
      draw();
      list.querySelector(`[aria-label="Delete ${name}"]`)?.focus();
      return;
    }
    try {
      const { used_by: users } = await send("DELETE", `presets/${name}`);
      const undo = button("Bring it back", async () => {
        await send("PUT", `presets/${name}`, { condition, doc });
        note.replaceChildren();
        changed();
      }, { class: "suggestion" });
      note.replaceChildren(`${name} is deleted. `, users.length ? `${users.join(", ")} used it and cannot be evaluated now. ` : "", undo);
      undo.focus();
      changed();
    } catch ({ message }) {
      note.replaceChildren(el("span", { class: "loss" }, message));
    }
  }

  /** The counts are those of the session and the symbols that the page shows. */
  async function count() {
    const { as_of, where } = store.state, wanted = JSON.stringify([as_of, where, all.map(({ name }) => name)]);
    if (wanted === counted) return;
    try {
      counts = await get("presets/counts", { as_of, where });
      counted = wanted;
    } catch {
      counts = {}; // the menu works without them
    }
    if (!menu.hidden) draw();
  }

  function close() {
    menu.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  }
  function open() {
    menu.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    search.value = asked = "";
    note.replaceChildren();
    draw();
    count();
    search.focus();
  }
  opener.addEventListener("click", () => (menu.hidden ? open() : close()));
  menu.addEventListener("keydown", (event) => {
    const buttons = [...list.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    if (event.key === "Escape") { close(); opener.focus(); }
    else if (event.key === "ArrowDown") buttons[Math.min(buttons.length - 1, at + 1)]?.focus();
    else if (event.key === "ArrowUp") (at <= 0 ? search : buttons[at - 1]).focus();
    else if (event.key === "Enter" && document.activeElement === search) buttons[0]?.click();
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
      asked = "";
      draw();
      if (!menu.hidden) count();
    },
  };
}
