// The table of matches. Only the rows in view exist; their data comes in pages of 200.
import { button, el, isNarrow, later, price, whole } from "/page/js/dom.js";
import { change, spark, writer } from "/page/js/result/cells.js";

const PAGE = 200;
const MARGIN = 8; // rows kept above and below the view
const ROW = 23, CARD = 60, HEAD = 24; // pixels; the style sheet has the same

export function createTable(grid, { loadPage, loadSparks, select, sortBy, removeColumn }) {
  const head = el("div", { class: "head row", role: "row", "aria-rowindex": 1 });
  const body = el("div", { class: "body", role: "rowgroup" });
  grid.append(el("div", { class: "headgroup", role: "rowgroup" }, head), body);

  let data = { total: 0, rows: [], columns: [], pins: new Set(), key: "" };
  let nodes = new Map();
  let sparks = new Map();
  let pages = new Map(); // offset -> being loaded
  let chosen = "";
  let entered = new Set();
  let shade = null; // the column that has a colour scale: {sort, paint}

  const height = () => (isNarrow() ? CARD : ROW);
  const known = () => data.rows.filter(Boolean);

  // Columns

  const fixed = (closes = []) => [
    { key: "#", title: "#", width: "44px", kind: "number dim" },
    { key: "symbol", title: "symbol", width: "76px", kind: "symbol" },
    { key: "name", title: "name", width: "minmax(120px, 1fr)", least: 120, kind: "name" },
    { key: "spark", title: "60 days", width: "86px", kind: "sparkline" },
    { key: "close", title: "close", width: `${Math.max(84, Math.ceil(Math.max(0, ...closes.map((x) => price(x).length)) * 8 + 20))}px`, kind: "number", sort: "close" },
    { key: "change", title: "chg %", width: "88px", kind: "number change", sort: "roc(1)" },
  ];

  function layOut() {
    const sample = known().slice(0, PAGE);
    const given = data.columns.map((one) => {
      const values = sample.map((row) => row.values[one.key]);
      const text = values.some((x) => typeof x === "string") && !values.some((x) => typeof x === "number");
      const write = writer(values);
      const longest = Math.max(4, ...sample.map((row) => write.text(row.values[one.key]).length));
      const letters = Math.max(Math.min(longest, 22), Math.min(one.key.length, 16) + (one.own ? 4 : 2));
      return { ...one, title: one.key, sort: text ? "" : one.key, write, width: `${Math.ceil(letters * 7.5 + 20)}px`,
        kind: (text ? "text" : "number") + " given" };
    });
    return [...fixed(sample.map((row) => row.close)), ...given];
  }

  let columns = fixed();

  function drawHead() {
    columns = layOut();
    const least = columns.reduce((sum, one) => sum + (one.least ?? parseInt(one.width, 10)), 0);
    grid.style.setProperty("--least", `${least}px`);
    grid.style.setProperty("--columns", columns.map(({ width }) => width).join(" "));
    grid.setAttribute("aria-colcount", String(columns.length));
    head.replaceChildren(...columns.map((one, place) => {
      const active = one.sort && data.sort === one.sort;
      const mark = active ? (data.ascending ? " ▲" : " ▼") : "";
      const title = one.sort ? `Sort by ${one.sort}` : one.title;
      const inner = one.sort
        ? button(one.title + mark, () => sortBy(one.sort), { title, class: "sort" })
        : el("span", { title }, one.title);
      const cell = el("div", {
        class: `cell ${one.kind}${one.hue == null ? "" : ` hue-${one.hue % 6}`}`, role: "columnheader",
        "aria-colindex": place + 1, "aria-sort": active ? (data.ascending ? "ascending" : "descending") : null,
      }, inner);
      if (one.own)
        cell.append(button("×", () => removeColumn(one.key), {
          class: "remove", "aria-label": `Remove the column ${one.key}`, title: "Remove this column",
        }));
      return cell;
    }));
  }

  // Rows

  const told = (expression, value) =>
    `${expression} = ${value ?? "unknown"}\nas of ${data.asOf}, data version ${data.version}`;

  function fill(row, at, match) {
    row.dataset.symbol = match.symbol;
    row.id = `row-${at}`;
    row.setAttribute("aria-selected", String(match.symbol === chosen));
    row.classList.toggle("pinned-row", data.pins.has(match.symbol));
    const moved = change(match.values["roc(1)"]);
    row.replaceChildren(...columns.map((one, place) => {
      const cell = el("div", { class: `cell ${one.kind}`, role: "gridcell", "aria-colindex": place + 1 });
      if (one.key === "#") cell.textContent = whole(at + 1);
      else if (one.key === "symbol") {
        cell.append(el("b", {}, match.symbol));
        if (data.pins.has(match.symbol)) cell.append(el("i", { title: "pinned (f)" }, "pinned"));
        if (match.suspicious) cell.append(el("em", { title: `suspicious bars: ${match.suspicious}` }, "!"));
      } else if (one.key === "name") {
        cell.textContent = match.values.name ?? "";
        cell.title = match.values.name ?? "";
      } else if (one.key === "spark") cell.append(spark(sparks.get(match.symbol)));
      else if (one.key === "close") {
        cell.textContent = price(match.close);
        cell.title = told("close", match.close);
      } else if (one.key === "change") {
        cell.textContent = moved.text;
        if (moved.kind) cell.classList.add(moved.kind);
        cell.title = told("roc(1)", match.values["roc(1)"]);
      } else {
        const value = match.values[one.key];
        const soft = match.unsettled?.includes(one.key);
        cell.append(el("span", { class: "label", "aria-hidden": "true" }, one.key), (soft ? "~" : "") + one.write.text(value));
        cell.title = told(one.key, value) + (soft ? "\nnot settled: a longer history may change it" : "");
        if (one.hue != null) cell.classList.add(`edge-${one.hue % 6}`);
      }
      if (shade && one.sort === shade.sort) tint(cell, match.values[one.sort]);
      return cell;
    }));
  }

  function tint(cell, value) {
    if (typeof value !== "number") return;
    const { kind, depth } = shade.paint(value);
    cell.classList.add("shaded", kind);
    cell.style.setProperty("--depth", `${Math.round(depth * 45)}%`);
  }

  function draw() {
    const tall = height();
    const first = Math.max(0, Math.floor((grid.scrollTop - HEAD) / tall) - MARGIN);
    const last = Math.min(data.total, Math.ceil((grid.scrollTop + grid.clientHeight) / tall) + MARGIN);
    body.style.height = `${data.total * tall}px`;
    const kept = new Map();
    for (let at = first; at < last; at++) {
      const match = data.rows[at];
      let row = nodes.get(at);
      if (!row || (match && row.dataset.symbol !== match.symbol)) {
        row?.remove();
        row = el("div", { class: "row", role: "row", "aria-rowindex": at + 2 });
        if (match) fill(row, at, match);
        else row.append(el("div", { class: "cell waiting", role: "gridcell" }, "…"));
        if (match && entered.delete(match.symbol)) row.classList.add("entered");
        body.append(row);
      }
      row.style.top = `${at * tall}px`;
      kept.set(at, row);
    }
    for (const [at, row] of nodes) if (kept.get(at) !== row) row.remove();
    nodes = kept;
    need(first, last);
  }

  function redraw() {
    for (const row of nodes.values()) row.remove();
    nodes = new Map();
    draw();
  }

  function need(first, last) {
    for (let at = first; at < last; at++) {
      if (data.rows[at]) continue;
      const offset = Math.floor(at / PAGE) * PAGE;
      if (!pages.has(offset)) pages.set(offset, load(offset));
    }
    wantSparks();
  }

  async function load(offset) {
    const of = data;
    const matches = await loadPage(offset, PAGE);
    if (of !== data || !matches) return; // other matches are shown now
    matches.forEach((match, i) => { data.rows[offset + i] = match; });
    draw();
  }

  const wantSparks = later(60, async () => {
    const of = sparks;
    const wanted = [...nodes.values()].map((row) => row.dataset.symbol).filter((one) => one && !sparks.has(one));
    if (!wanted.length) return;
    for (const one of wanted) sparks.set(one, null);
    const answer = await loadSparks(wanted.slice(0, PAGE)).catch(() => null);
    if (!answer || of !== sparks) return;
    answer.symbols.forEach((one, i) => sparks.set(one, answer.closes[i]));
    for (const row of nodes.values())
      if (answer.symbols.includes(row.dataset.symbol))
        row.querySelector(".sparkline")?.replaceChildren(spark(sparks.get(row.dataset.symbol)));
  });

  // Choosing a row

  function choose(symbol, { scroll = true } = {}) {
    chosen = symbol;
    for (const row of nodes.values()) row.setAttribute("aria-selected", String(row.dataset.symbol === symbol));
    const at = data.rows.findIndex((row) => row?.symbol === symbol);
    if (at < 0) return grid.removeAttribute("aria-activedescendant");
    if (scroll) {
      const tall = height(), top = at * tall;
      const view = grid.clientHeight - (isNarrow() ? 0 : HEAD);
      if (top < grid.scrollTop) grid.scrollTop = top;
      else if (top + tall > grid.scrollTop + view) grid.scrollTop = top + tall - view;
      draw();
    }
    grid.setAttribute("aria-activedescendant", `row-${at}`);
  }

  function step(by) {
    if (!data.total) return;
    const at = data.rows.findIndex((row) => row?.symbol === chosen);
    const next = Math.max(0, Math.min(data.total - 1, at < 0 ? 0 : at + by));
    if (data.rows[next]) select(data.rows[next].symbol, "replace");
    else {
      grid.scrollTop = next * height();
      draw();
    }
  }

  body.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row?.dataset.symbol) select(row.dataset.symbol, "push");
  });
  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid) return;
    const fold = Math.max(1, Math.floor(grid.clientHeight / height()) - 2);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: fold, PageUp: -fold, Home: -data.total, End: data.total }[event.key];
    if (by == null) return;
    event.preventDefault();
    step(by);
  });
  let waiting = false;
  grid.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }, { passive: true });
  new ResizeObserver(() => redraw()).observe(grid);

  return {
    step,
    choose,
    /** Shows other matches; rows that were not there before flash once, if `flash`. */
    show(next, { flash = false } = {}) {
      const before = new Set(known().map((row) => row.symbol));
      const same = next.key === data.key;
      if (next.sparkKey !== data.sparkKey) sparks = new Map();
      data = next;
      pages = new Map();
      entered = new Set(flash && before.size ? known().map((row) => row.symbol).filter((one) => !before.has(one)) : []);
      if (!same) grid.scrollTop = 0;
      grid.setAttribute("aria-rowcount", String(data.total + 1));
      drawHead();
      redraw();
      grid.classList.remove("stale");
      choose(chosen, { scroll: false });
    },
    /** Gives a column a colour scale, or takes it away. */
    shade(next) {
      if (!shade && !next) return;
      shade = next;
      redraw();
    },
    stale(is) { grid.classList.toggle("stale", is); },
    symbols: () => known().map((row) => row.symbol),
    row: (symbol) => data.rows.find((row) => row?.symbol === symbol),
    columns: () => columns,
  };
}
