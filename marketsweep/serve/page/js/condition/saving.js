// The form that saves the condition under a name; it stands where the button is, and is no dialog.
import { send } from "/page/js/api.js";
import { button, byId, el } from "/page/js/dom.js";

export function createSaving({ text, saved }) {
  const opener = byId("save"), menu = byId("save-menu");
  const field = (label, properties) => {
    const input = el("input", { type: "text", autocomplete: "off", ...properties });
    return [el("label", {}, el("span", {}, label), input), input];
  };
  const [nameRow, name] = field("name", { placeholder: "my_breakout", spellcheck: false });
  const [docRow, doc] = field("description", { placeholder: "one sentence; may be empty" });
  const fault = el("p", { class: "loss", role: "status" });
  const form = el("form", { onsubmit: keep }, nameRow, docRow,
    el("p", { class: "actions" }, el("button", { type: "submit", class: "primary" }, "Save"), button("Cancel", close)), fault);
  menu.append(form);

  async function keep(event) {
    event.preventDefault();
    fault.textContent = /^[a-z_][a-z0-9_]*$/i.test(name.value.trim()) ? "" : "Give a name: letters a to z, digits and _.";
    if (fault.textContent) return;
    try {
      const kept = await send("PUT", `presets/${encodeURIComponent(name.value.trim())}`, { condition: text(), doc: doc.value });
      close();
      saved(kept);
    } catch ({ message }) {
      fault.textContent = message;
    }
  }

  function close() {
    menu.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  }
  opener.addEventListener("click", () => {
    if (!menu.hidden) return close();
    menu.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    fault.textContent = name.value = doc.value = "";
    name.focus();
  });
  menu.addEventListener("keydown", (event) => {
    event.stopPropagation(); // letters are no keys of the page here
    if (event.key === "Escape") { close(); opener.focus(); }
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.hidden && !menu.contains(event.target) && event.target !== opener) close();
  });
}
