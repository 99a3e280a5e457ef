// A field that goes to any symbol, by its ticker or a part of its name, whether it matches or not.
import { get, Latest } from "/page/js/api.js";
import { byId, el, fault, later } from "/page/js/dom.js";

export function createGoto({ select, left }) {
  const list = el("datalist", { id: "symbols" });
  const field = el("input", {
    id: "goto-field", type: "text", size: 12, maxLength: 40, autocomplete: "off", spellcheck: false,
    placeholder: "symbol or name", "aria-label": "Go to a symbol", title: "Go to a symbol (g)",
  });
  field.setAttribute("list", "symbols");
  byId("goto").append(field, list);
  const requests = new Latest();

  const ask = (text) => requests.run((signal) => get("symbols", { q: text, limit: 8 }, signal));

  const suggest = later(80, async () => {
    const text = field.value.trim();
    const found = text ? await ask(text).catch(() => null) : { symbols: [] };
    if (!found || field.value.trim() !== text) return;
    list.replaceChildren(...found.symbols.map(({ symbol, name }) => el("option", { value: symbol }, name ?? "")));
  });

  function say(text) {
    field.title = text || "Go to a symbol (g)";
    fault(field, text);
  }

  async function go() {
    const text = field.value.trim();
    if (!text) return;
    suggest.cancel();
    try {
      const found = await ask(text);
      if (!found) return;
      const wanted = found.symbols.find(({ symbol }) => symbol === text.toUpperCase()) ?? found.symbols[0];
      if (!wanted) return say(`No symbol and no name has “${text}” in it.`);
      field.value = "";
      list.replaceChildren();
      select(wanted.symbol);
      left();
    } catch ({ message }) {
      say(message);
    }
  }

  field.addEventListener("input", () => {
    say("");
    suggest();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go();
    else if (event.key === "Escape") left();
  });
  return { focus: () => field.focus() };
}
