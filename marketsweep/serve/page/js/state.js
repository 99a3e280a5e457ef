// The state of the page, and its place in the URL: a link is a state, and "back" returns to the one before.

const EMPTY = {
  q: "", universe: "", where: "", as_of: "", sort: "", dir: "", columns: [], symbol: "", panel: "", interval: "", colour: "",
};

function read() {
  const query = new URLSearchParams(location.search);
  const found = { ...EMPTY, columns: query.getAll("column") };
  for (const name of Object.keys(EMPTY))
    if (name !== "columns") found[name] = query.get(name) ?? "";
  return found;
}

export function urlOf(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (name === "columns") for (const one of value) query.append("column", one);
    else if (name in EMPTY && value) query.append(name, value);
  }
  const text = query.toString();
  return location.pathname + (text ? "?" + text : "");
}

const listeners = [];
const pinned = () => {
  try {
    return JSON.parse(localStorage.getItem("pins") ?? "[]").filter((one) => typeof one === "string");
  } catch {
    return [];
  }
};

export const store = {
  state: { ...read(), pins: pinned() },

  /** Calls `listener(state, before, restored)` after each change; `restored` tells that it was "back" or "forward". */
  on(listener) {
    listeners.push(listener);
  },

  /** `how`: "push" adds a step for the back button, "replace" does not. */
  set(patch, how = "push") {
    const before = this.state;
    this.state = { ...before, ...patch };
    const url = urlOf(this.state);
    if (url !== location.pathname + location.search)
      history[how === "push" ? "pushState" : "replaceState"](null, "", url);
    if (patch.pins) {
      try {
        localStorage.setItem("pins", JSON.stringify(patch.pins));
      } catch {
        // Without storage, pins last as long as the page.
      }
    }
    for (const listener of listeners) listener(this.state, before);
  },
};

addEventListener("popstate", () => {
  const before = store.state;
  store.state = { ...before, ...read() };
  for (const listener of listeners) listener(store.state, before, true);
});
