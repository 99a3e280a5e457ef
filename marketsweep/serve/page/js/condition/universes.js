// The universes: the choice of one, and a form that builds one from facts, prices and a list, with a live count.
import { get, Latest, send } from "/page/js/api.js";
import { button, byId, el, later, whole } from "/page/js/dom.js";
import { store } from "/page/js/state.js";

export function createUniverses({ where, choose }) {
  const select = byId("universe"), opener = byId("universe-edit"), menu = byId("universe-menu");
  const counts = new Latest();
  let all = [], asked = false;
  const fields = {};
  const field = (name, label, placeholder) => {
    fields[name] = el("input", { type: "text", autocomplete: "off", spellcheck: false, placeholder, oninput: () => recount() });
    return el("label", {}, el("span", {}, label), fields[name]);
  };
  const count = el("p", { class: "dim", role: "status" }), fault = el("p", { class: "loss", role: "status" });
  const removal = button("Delete", remove, { class: "delete" });
  menu.append(el("form", { onsubmit: save },
    field("name", "name", "my_universe"), field("where", "facts", 'exchange == "NYSE"'), field("min_price", "price", "at least 5"),
    field("min_dollar_volume", "dollar volume", "at least 5M"), field("watchlist", "only these", "AAPL, MSFT"), count,
    el("p", { class: "actions" }, el("button", { type: "submit", class: "primary" }, "Save"), button("Cancel", close), removal), fault));

  const values = () => Object.fromEntries(Object.entries(fields).map(([name, input]) => [name, input.value.trim()]));
  const recount = later(150, async () => {
    const { where: facts, min_price: price, min_dollar_volume: volume, watchlist } = values();
    const list = watchlist.split(",").map((one) => one.trim().toUpperCase()).filter(Boolean);
    const condition = [`close >= ${price || 0}`, volume && `median(dollar_volume, 20) >= ${volume}`,
      list.length && `symbol in [${list.map((one) => JSON.stringify(one)).join(", ")}]`].filter(Boolean).join(" and ");
    try {
      const found = await counts.run((signal) => get("scan", { condition, where: facts, as_of: store.state.as_of, limit: 0 }, signal));
      if (!found) return;
      count.textContent = `about ${whole(found.matched)} symbols`;
      fault.textContent = "";
    } catch ({ message }) {
      count.textContent = "";
      fault.textContent = message;
    }
  });

  async function save(event) {
    event.preventDefault();
    const { name, ...table } = values();
    if (!name) {
      fault.textContent = "Give a name: letters a to z, digits, - and _.";
      return;
    }
    try {
      await send("PUT", `universes/${encodeURIComponent(name.toLowerCase())}`,
        Object.fromEntries(Object.entries(table).filter(([, text]) => text)));
      await fill();
      close();
      choose(name.toLowerCase());
    } catch ({ message }) {
      fault.textContent = message;
    }
  }

  async function remove() {
    if (!asked) {
      asked = true;
      removal.textContent = "Delete it?";
      return;
    }
    try {
      await send("DELETE", `universes/${fields.name.value}`);
      choose("");
      await fill();
      close();
    } catch ({ message }) {
      fault.textContent = message;
    }
  }

  async function fill() {
    all = await get("universes").catch(() => []);
    select.replaceChildren(el("option", { value: "" }, "all"), ...all.map((one) => el("option", {
      value: one.name, disabled: Boolean(one.fault), title: one.fault || (one.parts ?? []).join(" and "),
    }, one.name)));
    select.value = store.state.universe;
  }

  function open() {
    const own = all.find((one) => one.name === store.state.universe)?.own;
    for (const [name, input] of Object.entries(fields)) input.value = [own?.[name] ?? ""].flat().join(", ");
    if (own) fields.name.value = store.state.universe;
    else fields.where.value = where();
    removal.hidden = !own;
    removal.textContent = "Delete";
    asked = false;
    fault.textContent = "";
    menu.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    fields.name.focus();
    recount();
  }
  function close() {
    counts.cancel();
    menu.hidden = true;
    opener.setAttribute("aria-expanded", "false");
  }
  opener.addEventListener("click", () => (menu.hidden ? open() : close()));
  menu.addEventListener("keydown", (event) => {
    event.stopPropagation(); // letters are no keys of the page here
    if (event.key === "Escape") { close(); opener.focus(); }
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.hidden && !menu.contains(event.target) && event.target !== opener) close();
  });
  select.addEventListener("change", () => choose(select.value));
  return { fill };
}
