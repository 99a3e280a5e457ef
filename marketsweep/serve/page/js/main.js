// Connects the parts of the page: the state, the editors, the scans, the table and the details.
import { get, Latest } from "/page/js/api.js";
import { createAsOf } from "/page/js/condition/asof.js";
import { completions } from "/page/js/condition/completion.js";
import { createEditor } from "/page/js/condition/editor.js";
import { learn } from "/page/js/condition/language.js";
import { createPresets } from "/page/js/condition/presets.js";
import { createDetail } from "/page/js/detail/detail.js";
import { button, byId, el, isNarrow, later, plural, whole, withWeekday } from "/page/js/dom.js";
import { createKeys } from "/page/js/keys.js";
import { showCount, showProblem } from "/page/js/result/problem.js";
import { drawFunnel, drawReceipt } from "/page/js/result/receipt.js";
import { failed, noData, noMatch } from "/page/js/result/states.js";
import { createTable } from "/page/js/result/table.js";
import * as scans from "/page/js/scan.js";
import { store } from "/page/js/state.js";

const STARTERS = ["golden_cross", "new_52_week_high", "rsi_oversold", "bollinger_squeeze"];
const line = byId("answer"), stateBox = byId("state"), grid = byId("grid");
let shown = null; // the scan that the table shows: {answer, wanted, text, preview}
let hues = new Map();
let closedByUser = false;

// The condition

const condition = createEditor(byId("condition"), {
  text: store.state.q,
  label: "Condition",
  hint: "a condition, such as  close > sma(200) and rsi(14) < 30",
  complete: completions("condition"),
  changed: () => { preview(); },
  run: (text) => run(text),
  left: () => grid.focus({ preventScroll: true }),
});
const where = createEditor(byId("where"), {
  text: store.state.where, label: "where: a condition on facts", hint: 'such as type == "CS"', single: true,
  complete: completions("where"),
  run: (text) => store.set({ where: text.trim(), q: condition.text.trim() }),
});
where.view.contentDOM.addEventListener("blur", () => {
  if (where.text.trim() !== store.state.where) store.set({ where: where.text.trim() });
});
const adder = createEditor(byId("adder"), {
  label: "Add a column: type an expression", hint: "+ column: an expression", single: true,
  complete: completions("column"),
  run: addColumn,
});

function run(text = condition.text) {
  preview.cancel();
  const q = text.trim();
  if (q !== store.state.q) store.set({ q });
  else scan({ text: q });
}

const preview = later(60, () => scan({ text: condition.text, preview: true }));

async function scan({ text, preview: soft = false, follow = false }) {
  table.stale(true);
  try {
    const found = await scans.scan(store.state, text, { preview: soft });
    if (!found) return; // a newer one is under way
    shown = { ...found, text: text.trim(), preview: soft };
    showAnswer(follow);
  } catch (error) {
    showError(error.problem ?? { detail: error.message }, text, soft);
  }
}

function showAnswer(follow) {
  const { answer, wanted, text, preview: soft } = shown;
  const first = !document.body.dataset.ready;
  const columns = scans.columnsOf(answer, store.state.columns);
  hues = new Map(columns.filter((one) => one.hue != null).map((one) => [one.key, one.hue]));
  condition.fault(null);
  where.fault(null);
  condition.hues(hues);
  showCount(line, answer, { all: !text, took: shown.took });
  byId("starters").hidden = Boolean(text);
  drawReceipt(byId("receipt-line"), byId("receipt"), answer);
  drawFunnel(byId("funnel"), answer, { all: !text, before: funnel });
  if (text) askFunnel(shown);
  const rows = [];
  answer.matches.forEach((one, i) => { rows[i] = one; });
  const empty = answer.matched === 0;
  grid.hidden = empty;
  stateBox.hidden = !empty;
  table.show({
    total: answer.matched, rows, columns, asOf: answer.as_of, version: answer.data_version,
    sort: store.state.sort, ascending: store.state.dir === "asc", pins: new Set(store.state.pins),
    key: JSON.stringify([wanted.condition, wanted.where, wanted.universe, wanted.sort, wanted.descending, wanted.as_of]),
    sparkKey: answer.as_of,
  }, { flash: true });
  if (empty) drawNoMatch(answer);
  byId("csv").href = scans.download(wanted, "csv");
  byId("parquet").href = scans.download(wanted, "parquet");
  drawSorter();
  drawPinned();
  grid.dataset.shown = answer.condition;
  document.title = (text ? text.split("\n")[0] + " · " : "") + "marketsweep";
  if (soft) return;
  const { symbol } = store.state;
  const there = answer.matches.some((one) => one.symbol === symbol);
  if (!isNarrow() && !closedByUser && answer.matches.length && (!symbol || (follow && !there)))
    store.set({ symbol: answer.matches[0].symbol }, "replace");
  else detail.draw();
  table.choose(store.state.symbol, { scroll: first });
  countSessions();
}

const drawNoMatch = (answer) =>
  noMatch(stateBox, answer, { select: (symbol) => select(symbol, "push"), edit: () => condition.focus() });

let funnel = [];
let funnelTimer = 0;
function askFunnel(of) {
  clearTimeout(funnelTimer);
  funnelTimer = setTimeout(async () => {
    const found = await scans.funnelOf(of.wanted, of.answer.matched).catch(() => null);
    if (!found || shown !== of) return;
    funnel = found.funnel ?? [];
    Object.assign(of.answer, { funnel, near: found.near });
    drawFunnel(byId("funnel"), of.answer);
    if (!of.answer.matched) drawNoMatch(of.answer);
  }, of.preview ? 250 : 0);
}

function showError(problem, text, soft) {
  const { source, column: at, parameter } = problem;
  const inWhere = parameter === "where";
  const editor = inWhere ? where : condition;
  const mine = source != null && (inWhere || !parameter || parameter === "condition") && editor.text.includes(source);
  const shift = mine ? editor.text.indexOf(source) : 0;
  const atEnd = source != null && at + (problem.width ?? 1) >= source.trimEnd().length;
  if (mine && at != null) editor.fault(shift + at, shift + at + (problem.width ?? 1));
  if (source != null || shown) {
    showProblem(line, problem, {
      soft: soft && atEnd,
      about: parameter && parameter !== "condition" ? parameter : "",
      more: { columns: button("Remove the column", () => store.set({ columns: store.state.columns.filter((one) => one !== source) })),
        sort: button("Remove the sort", () => store.set({ sort: "", dir: "" })) }[parameter],
      take: mine && at != null
        ? (replacement) => editor.replace(shift + at, shift + at + (problem.width ?? 1), replacement) : null,
    });
    if (shown) return;
  } else showProblem(line, problem);
  grid.hidden = true;
  stateBox.hidden = false;
  failed(stateBox, problem, { again: () => run() });
}

function offerStarters(names) {
  byId("starters").replaceChildren(el("span", { class: "dim" }, "try"),
    ...STARTERS.filter((name) => names.has(name)).map((name) =>
      button(name, () => { condition.text = name; run(); }, { class: "suggestion" })));
}

// The table

const table = createTable(grid, {
  loadPage: (offset, limit) => scans.page(shown.wanted, offset, limit),
  loadSparks: (symbols) => get("sparklines", { symbols: symbols.join(","), bars: 60, as_of: store.state.as_of }),
  select,
  sortBy(sort) {
    const { sort: before, dir } = store.state;
    if (sort !== before) store.set({ sort, dir: "" });
    else if (dir !== "asc") store.set({ dir: "asc" });
    else store.set({ sort: "", dir: "" });
  },
  removeColumn: (key) => store.set({ columns: store.state.columns.filter((one) => one !== key) }),
});

/** Selects a symbol; a previewed condition becomes the one of the page. */
function select(symbol, how) {
  closedByUser = false;
  const q = shown?.text ?? store.state.q;
  store.set(q === store.state.q ? { symbol } : { symbol, q }, q === store.state.q ? how : "push");
}

async function addColumn(text) {
  const wanted = text.trim();
  if (!wanted) return;
  if (store.state.columns.includes(wanted)) { adder.text = ""; return; }
  adder.fault(null);
  try {
    await scans.tryColumn(store.state, wanted);
    adder.text = "";
    store.set({ columns: [...store.state.columns, wanted], q: shown?.text ?? store.state.q });
  } catch ({ problem, message }) {
    const at = problem?.column;
    if (at != null) adder.fault(at, at + (problem.width ?? 1));
    showProblem(line, problem ?? { detail: message }, {
      about: "column",
      take: at == null ? null : (replacement) => adder.replace(at, at + (problem.width ?? 1), replacement),
    });
  }
}

function drawSorter() {
  const { sort, dir } = store.state;
  const options = [["", "dollar volume"], ...table.columns().filter((one) => one.sort).map((one) => [one.sort, one.title])];
  byId("sorter").replaceChildren(...options.flatMap(([value, text]) =>
    (value ? ["", "asc"] : [""]).map((one) => el("option", {
      value: JSON.stringify([value, one]), selected: value === sort && one === dir,
    }, `${text} ${one === "asc" ? "▲" : "▼"}`))));
}
byId("sorter").addEventListener("change", (event) => {
  const [sort, dir] = JSON.parse(event.target.value);
  store.set({ sort, dir });
});

function pin(symbol) {
  if (!symbol) return;
  const { pins } = store.state;
  store.set({ pins: pins.includes(symbol) ? pins.filter((one) => one !== symbol) : [...pins, symbol].slice(-50) }, "replace");
}

/** Pinned symbols that do not match, as buttons: those that do are the first rows. */
function drawPinned() {
  const there = new Set(table.symbols());
  const gone = store.state.pins.filter((one) => !there.has(one));
  const box = byId("pinned");
  box.hidden = !gone.length;
  box.replaceChildren(el("span", { class: "dim" }, "pinned, no match:"), ...gone.flatMap((one) => [
    button(one, () => select(one, "push"), { class: "quiet" }),
    button("×", () => pin(one), { class: "remove", "aria-label": `Unpin ${one}` }),
  ]));
}

async function copyTickers() {
  if (!shown) return;
  const loaded = table.symbols();
  const symbols = loaded.length >= shown.answer.matched ? loaded : await scans.everySymbol(shown.wanted);
  const text = symbols.join("\n");
  const opener = byId("copy");
  try {
    await navigator.clipboard.writeText(text);
    opener.textContent = `Copied ${whole(symbols.length)}`;
  } catch {
    opener.textContent = "The browser does not permit it";
  }
  setTimeout(() => { opener.textContent = "Copy tickers"; }, 1600);
}
byId("copy").addEventListener("click", copyTickers);
byId("run").addEventListener("click", () => run());

const receiptLine = byId("receipt-line");
receiptLine.addEventListener("click", () => {
  const open = byId("receipt").hidden;
  byId("receipt").hidden = !open;
  byId("split").classList.toggle("receipt-open", open);
  receiptLine.setAttribute("aria-expanded", String(open));
});

// Details, the session, menus, keys

const detail = createDetail({
  step: (by) => table.step(by),
  scope: () => scans.scope(),
  condition: () => store.state.q,
  row: (symbol) => table.row(symbol),
  hues: () => hues,
  pin,
});

const asOf = createAsOf({ choose: (day) => store.set({ as_of: day }) });
const signals = new Latest();
let counted = "";
async function countSessions() {
  const { q } = store.state;
  const wanted = JSON.stringify([q, scans.scope()]);
  if (wanted === counted) return;
  counted = wanted;
  asOf.counts(null);
  if (!q) return;
  try {
    const answer = await signals.run((signal) => get("signals", { condition: q, ...scans.scope() }, signal));
    if (answer) asOf.counts(answer.sessions);
  } catch {
    counted = ""; // the slider works without the histogram
  }
}

const presetMenu = createPresets({
  choose(preset) {
    condition.text = preset.condition;
    run();
    condition.focus();
  },
});

byId("universe").addEventListener("change", (event) => store.set({ universe: event.target.value }));
const root = document.documentElement;
const themed = () => { byId("theme").textContent = root.dataset.theme === "dark" ? "Light" : "Dark"; };
byId("theme").addEventListener("click", () => root.dispatchEvent(new Event("toggletheme")));
root.addEventListener("themechange", themed);
themed();

const best = () => shown?.answer.matches[0]?.symbol;
createKeys({
  "/": () => condition.focus(),
  j: () => table.step(1),
  k: () => table.step(-1),
  e: () => {
    const symbol = store.state.symbol || best();
    if (symbol) store.set({ panel: "", symbol }, "replace");
    byId("panel").scrollIntoView({ block: "nearest" });
  },
  t: () => {
    store.set({ panel: store.state.panel === "record" ? "" : "record" }, "replace");
    byId("panel").scrollIntoView({ block: "nearest" });
  },
  f: () => pin(store.state.symbol),
  c: copyTickers,
  "[": () => byId("asof").querySelector("button").click(),
  "]": () => byId("asof").querySelectorAll("button")[1].click(),
  Escape: () => { closedByUser = true; detail.close(); },
});
byId("who").addEventListener("click", (event) => {
  if (event.target.closest("button")?.textContent === "Close") closedByUser = true;
});

// The state changed: by the user, or by "back".

const SCANNED = ["q", "universe", "where", "as_of", "sort", "dir", "columns", "pins"];
store.on((state, before) => {
  const differs = (name) => JSON.stringify(state[name]) !== JSON.stringify(before[name]);
  if (differs("q") && condition.text.trim() !== state.q) condition.text = state.q;
  if (differs("where") && where.text.trim() !== state.where) where.text = state.where;
  if (differs("universe")) byId("universe").value = state.universe;
  if (differs("as_of")) asOf.show(state.as_of);
  if (differs("symbol")) table.choose(state.symbol);
  if (SCANNED.some(differs)) scan({ text: state.q, follow: !differs("symbol") && (differs("q") || differs("universe") || differs("where")) });
  if (differs("symbol") || differs("panel") || differs("pins") || (differs("as_of") && state.symbol)) detail.draw();
});

async function boot() {
  const running = scan({ text: store.state.q });
  const quietly = (path, instead) => get(path).catch(() => instead);
  const [status, vocabulary, indicators, found, universes] = await Promise.all([
    quietly("status", null), quietly("vocabulary", {}), quietly("indicators", []), quietly("presets", []),
    quietly("universes", []),
  ]);
  offerStarters(new Set(found.map(({ name }) => name)));
  learn({ vocabulary, indicators, presets: found });
  presetMenu.fill(found);
  byId("universe").append(...universes.map((one) => el("option", {
    value: one.name, disabled: Boolean(one.fault), title: one.fault || (one.parts ?? []).join(" and ") || one.where || "",
  }, one.name)));
  byId("universe").value = store.state.universe;
  if (status) {
    asOf.days(status.days ?? []);
    asOf.show(store.state.as_of || status.last);
    byId("stored").textContent = status.sessions
      ? `${plural(status.sessions, "session")}, ${status.first} to ${status.last}` : "no data yet";
    byId("stored").title = status.last ? `newest session: ${withWeekday(status.last)}; data version ${status.version}` : "";
  }
  await running;
  if (status && !status.sessions) {
    grid.hidden = true;
    stateBox.hidden = false;
    line.replaceChildren();
    noData(stateBox);
  }
  document.body.dataset.ready = "true";
}
boot();
if (!store.state.q && !isNarrow()) condition.focus();
