// Connects the parts of the page: the state, the editors, the scans, the table and the details.
import { get, Latest } from "/page/js/api.js";
import { createAsOf } from "/page/js/condition/asof.js";
import { completions } from "/page/js/condition/completion.js";
import { createEditor } from "/page/js/condition/editor.js";
import { learn } from "/page/js/condition/language.js";
import { createPresets } from "/page/js/condition/presets.js";
import { createUniverses } from "/page/js/condition/universes.js";
import { createSaving } from "/page/js/condition/saving.js";
import { createData } from "/page/js/data.js";
import { createDetail } from "/page/js/detail/detail.js";
import { createGoto } from "/page/js/detail/goto.js";
import { button, byId, el, isNarrow, plural, withWeekday } from "/page/js/dom.js";
import { createKeys } from "/page/js/keys.js";
import { createChanges } from "/page/js/result/changes.js";
import { noData } from "/page/js/result/states.js";
import { createTable } from "/page/js/result/table.js";
import { createResults } from "/page/js/results.js";
import { page, scope } from "/page/js/scan.js";
import { store } from "/page/js/state.js";
import { createToolbar } from "/page/js/toolbar.js";

const STARTERS = ["golden_cross", "new_52_week_high", "rsi_oversold", "bollinger_squeeze"];
const grid = byId("grid");
const toGrid = () => grid.focus({ preventScroll: true });

const parts = { closedByUser: false, select, countSessions };
const results = createResults(parts);

parts.condition = createEditor(byId("condition"), {
  text: store.state.q,
  label: "Condition",
  hint: "a condition, such as  close > sma(200) and rsi(14) < 30",
  complete: completions("condition"),
  changed: () => results.preview(),
  run: results.run,
  left: toGrid,
});

const setWhere = (text) => {
  if (text.trim() !== store.state.where) results.commit({ where: text.trim() });
};
parts.where = createEditor(byId("where"), {
  text: store.state.where, label: "where: a condition on facts", hint: 'exchange == "NYSE"', single: true,
  complete: completions("where"),
  run: setWhere,
  left: toGrid,
});
parts.where.view.contentDOM.addEventListener("blur", () => setWhere(parts.where.text));

parts.table = createTable(grid, {
  loadPage: (offset, limit) => page(results.shown.wanted, offset, limit),
  loadSparks: (symbols) => get("sparklines", { symbols: symbols.join(","), bars: 60, as_of: store.state.as_of }),
  select,
  sortBy(sort) {
    const { sort: before, dir } = store.state;
    if (sort !== before) results.commit({ sort, dir: "" });
    else if (dir !== "asc") results.commit({ dir: "asc" });
    else results.commit({ sort: "", dir: "" });
  },
  removeColumn: (key) => results.commit({ columns: store.state.columns.filter((one) => one !== key) }),
});

function select(symbol, how) {
  parts.closedByUser = false;
  results.commit({ symbol }, results.shown?.text === store.state.q ? how : "push");
}

function pin(symbol) {
  if (!symbol) return;
  const { pins } = store.state;
  const others = pins.filter((one) => one !== symbol);
  results.commit({ pins: others.length < pins.length ? others : [...pins, symbol].slice(-50) }, "replace");
}

parts.toolbar = createToolbar({ results, table: parts.table, select, pin });
parts.detail = createDetail({
  step: (by) => parts.table.step(by),
  scope: () => scope(),
  condition: () => store.state.q,
  version: () => results.shown?.answer.data_version,
  row: (symbol) => parts.table.row(symbol),
  hues: () => results.hues,
  pin,
  select: (symbol) => select(symbol, "push"),
  go: (day) => results.commit({ as_of: day }),
  closed: () => { parts.closedByUser = true; },
});

const goto = createGoto({ select: (symbol) => select(symbol, "push"), left: toGrid });
parts.changes = createChanges({ select: (symbol) => select(symbol, "push") });

// The session

const asOf = createAsOf({ choose: (day) => results.commit({ as_of: day }) });
parts.days = asOf;
const signals = new Latest();
let counted = "";
async function countSessions() {
  const { q } = store.state;
  const wanted = JSON.stringify([q, scope(), results.shown?.answer.data_version]);
  if (wanted === counted) return;
  counted = wanted;
  asOf.counts(null);
  if (!q) return signals.cancel();
  try {
    const answer = await signals.run((signal) => get("signals", { condition: q, ...scope() }, signal));
    if (answer) asOf.counts(answer.sessions);
  } catch {
    counted = ""; // the slider works without the histogram
  }
}

// Menus and keys

const presetMenu = createPresets({
  choose(preset) {
    parts.condition.text = preset.condition;
    results.run();
    parts.condition.focus();
  },
  changed: fillPresets,
});

let lexicon = {};
async function fillPresets() {
  const found = await get("presets");
  presetMenu.fill(found);
  learn({ ...lexicon, presets: found });
}
createSaving({ text: () => parts.condition.text, saved: fillPresets });
createData({
  select: ({ symbol, last }) => store.set({ symbol, as_of: last }, "push"),
  changed() {
    showStored().then(() => results.scan({ text: store.state.q }));
  },
});

function offerStarters(names) {
  byId("starters").replaceChildren(el("span", { class: "dim" }, "try"),
    ...STARTERS.filter((name) => names.has(name)).map((name) =>
      button(name, () => { parts.condition.text = name; results.run(); }, { class: "suggestion" })));
}

byId("run").addEventListener("click", results.run);
const universes = createUniverses({
  where: () => parts.where.text.trim(),
  choose: (universe) => results.commit({ universe }),
});
const root = document.documentElement;
const themed = () => { byId("theme").textContent = root.dataset.theme === "dark" ? "Light" : "Dark"; };
byId("theme").addEventListener("click", () => root.dispatchEvent(new Event("toggletheme")));
root.addEventListener("themechange", themed);
themed();

const showPanel = (patch) => {
  store.set(patch, "replace");
  byId("panel").scrollIntoView({ block: "nearest" });
};
createKeys({
  "/": () => parts.condition.focus(),
  g: () => goto.focus(),
  j: () => parts.table.step(1),
  k: () => parts.table.step(-1),
  e: () => {
    const symbol = store.state.symbol || results.shown?.answer.matches[0]?.symbol;
    if (symbol) showPanel({ panel: "", symbol });
  },
  t: () => showPanel({ panel: store.state.panel === "record" ? "" : "record" }),
  h: () => showPanel({ panel: store.state.panel === "history" ? "" : "history" }),
  i: () => store.state.symbol && showPanel({ panel: store.state.panel === "facts" ? "" : "facts" }),
  f: () => pin(store.state.symbol),
  c: parts.toolbar.copy,
  "[": () => byId("asof").querySelector("button").click(),
  "]": () => byId("asof").querySelectorAll("button")[1].click(),
  Escape: () => {
    const open = ["stored", "receipt-line", "changes-line"].map(byId).find((opener) => opener.getAttribute("aria-expanded") === "true");
    if (open) open.click();
    else parts.detail.close();
  },
});

// The state changed: by the user, or by "back"

const SCANNED = ["q", "universe", "where", "as_of", "sort", "dir", "columns", "pins"];
store.on((state, before, restored) => {
  const differ = (...names) => names.some((name) => JSON.stringify(state[name]) !== JSON.stringify(before[name]));
  if (restored) {
    results.preview.cancel();
    parts.condition.text = state.q;
    parts.where.text = state.where;
  }
  if (differ("universe")) byId("universe").value = state.universe;
  if (differ("as_of")) asOf.follow(state.as_of, results.shown?.answer.as_of);
  if (differ("colour")) parts.toolbar.colour();
  if (differ("symbol")) parts.table.choose(state.symbol);
  if (differ(...SCANNED))
    results.scan({ text: parts.condition.text, follow: !differ("symbol") && differ("q", "universe", "where") });
  if (differ("symbol", "panel", "pins", "interval") || (differ("as_of") && state.symbol)) parts.detail.draw();
});

/** Shows which sessions are stored, and returns the status; null if the server does not say. */
async function showStored() {
  const status = await get("status").catch(() => null);
  if (!status) return null;
  asOf.days(status.days ?? []);
  asOf.follow(store.state.as_of, results.shown?.answer.as_of ?? status.last);
  const sessions = status.sessions
    ? `${plural(status.sessions, "session")}, ${status.first} to ${status.last} ▾` : "no data yet ▾";
  byId("stored").replaceChildren(el("span", { class: "long" }, sessions), el("span", { class: "brief" }, "Data ▾"));
  byId("stored").title = status.last ? `newest session: ${withWeekday(status.last)}; data version ${status.version}` : "";
  return status;
}

async function boot() {
  const running = results.scan({ text: store.state.q });
  const quietly = (path, instead) => get(path).catch(() => instead);
  const [status, vocabulary, indicators, found] = await Promise.all([
    showStored(), quietly("vocabulary", {}), quietly("indicators", []), quietly("presets", []), universes.fill(),
  ]);
  offerStarters(new Set(found.map(({ name }) => name)));
  lexicon = { vocabulary, indicators, presets: found };
  learn(lexicon);
  presetMenu.fill(found);
  await running;
  if (status && !status.sessions) {
    grid.hidden = true;
    byId("state").hidden = false;
    byId("answer").replaceChildren();
    noData(byId("state"));
  }
  document.body.dataset.ready = "true";
}
boot();
if (!store.state.q && !isNarrow()) parts.condition.focus();
