// Runs scans and shows their answers: the count, the receipt, the funnel and the rows, or what is wrong.
import { button, byId, el, isNarrow, later } from "/page/js/dom.js";
import { showCount, showProblem } from "/page/js/result/problem.js";
import { drawFunnel, drawReceipt } from "/page/js/result/receipt.js";
import { failed, noMatch } from "/page/js/result/states.js";
import * as scans from "/page/js/scan.js";
import { store } from "/page/js/state.js";

/** `parts` has the editors, the table, the details and the toolbar; they may be added after this call. */
export function createResults(parts) {
  const line = byId("answer"), stateBox = byId("state"), grid = byId("grid");
  let shown = null; // the scan that the table shows: {answer, wanted, took, text, preview}
  let hues = new Map();
  let slow = 0;

  async function scan({ text, preview: soft = false, follow = false }) {
    parts.table.stale(true);
    clearTimeout(slow);
    slow = setTimeout(showProgress, 600);
    try {
      const found = await scans.scan(store.state, text, { preview: soft });
      if (!found) return; // a newer one is under way
      shown = { ...found, text: text.trim(), preview: soft };
      showAnswer(follow);
    } catch (error) {
      showError(error.problem ?? { detail: error.message }, soft);
    }
    clearTimeout(slow);
  }

  const preview = later(60, () => scan({ text: parts.condition.text, preview: true }));

  function run() {
    preview.cancel();
    const q = parts.condition.text.trim();
    if (q !== store.state.q) store.set({ q });
    else scan({ text: q });
  }

  /** Changes the state; a condition that was only previewed becomes the one of the page. */
  function commit(patch, how) {
    const text = parts.condition.text.trim();
    store.set({ ...patch, q: text === shown?.text ? text : store.state.q }, how);
  }

  function showProgress() {
    line.className = "answer soft";
    line.replaceChildren(el("span", {}, "scanning …"), button("Stop", () => {
      scans.cancelScan();
      parts.table.stale(false);
      if (shown) showCount(line, shown.answer, { all: !shown.text, took: shown.took });
      else line.replaceChildren();
    }, { class: "suggestion" }));
  }

  function place({ empty }) {
    grid.hidden = empty;
    stateBox.hidden = !empty;
  }

  function showAnswer(follow) {
    const { answer, wanted, text, took } = shown;
    const columns = scans.columnsOf(answer, store.state.columns);
    hues = new Map(columns.filter((one) => one.hue != null).map((one) => [one.key, one.hue]));
    parts.condition.fault(null);
    parts.where.fault(null);
    parts.condition.hues(hues);
    showCount(line, answer, { all: !text, took });
    byId("starters").hidden = Boolean(text);
    drawReceipt(byId("receipt-line"), byId("receipt"), answer, {
      list: (reason) => scans.excluded(wanted, reason), select: (symbol) => parts.select(symbol, "push"),
    });
    drawFunnel(byId("funnel"), answer, { all: !text, before: funnel });
    if (text) askFunnel(shown);
    place({ empty: answer.matched === 0 });
    parts.table.show({
      total: answer.matched, rows: [...answer.matches], columns, asOf: answer.as_of, version: answer.data_version,
      sort: store.state.sort, ascending: store.state.dir === "asc", pins: new Set(store.state.pins),
      key: JSON.stringify([wanted.condition, wanted.where, wanted.universe, wanted.sort, wanted.descending, wanted.as_of]),
      sparkKey: answer.as_of,
    }, { flash: true });
    if (answer.matched === 0) drawNoMatch(answer);
    parts.toolbar.show(shown);
    grid.dataset.shown = answer.condition;
    parts.days?.follow(store.state.as_of, answer.as_of);
    document.title = (text ? text.split("\n")[0] + " · " : "") + "marketsweep";
    other(shown.preview && text !== store.state.q);
    if (!shown.preview) follows(answer, follow);
  }

  /** While another condition is typed, the parts of the one that was run are greyed, and say so. */
  function other(typed) {
    document.body.classList.toggle("typed", typed);
    byId("typed").hidden = !typed;
    if (typed) parts.changes.hide();
  }

  /** After a run, the chart shows the first match, unless the symbol of before still matches. */
  function follows(answer, follow) {
    const { symbol } = store.state;
    const there = answer.matches.some((one) => one.symbol === symbol);
    if (!isNarrow() && !parts.closedByUser && answer.matches.length && (!symbol || (follow && !there)))
      store.set({ symbol: answer.matches[0].symbol }, "replace");
    else parts.detail.draw();
    parts.table.choose(store.state.symbol, { scroll: !document.body.dataset.ready });
    parts.countSessions();
    showChanges(shown);
  }

  /** Only of a run: while typing, every text would be scanned twice more. */
  async function showChanges(of) {
    parts.changes.hide();
    if (!of.text) return;
    const found = await scans.changesOf(of.wanted).catch(() => null); // the first session has none before
    const some = found?.entered.length || found?.left.length;
    if (some && shown === of) parts.changes.show(found);
  }

  const drawNoMatch = (answer) =>
    noMatch(stateBox, answer, { select: (symbol) => parts.select(symbol, "push"), edit: () => parts.condition.focus() });

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

  /** `soft`: while typing, a mistake at the end of the text may only be an unfinished word. */
  function showError(problem, soft) {
    const { source, column: at, width = 1, parameter } = problem;
    const inWhere = parameter === "where";
    const editor = inWhere ? parts.where : parts.condition;
    const mine = source != null && at != null && (inWhere || !parameter || parameter === "condition") &&
      editor.text.includes(source);
    const from = mine ? editor.text.indexOf(source) + at : 0;
    if (mine) editor.fault(from, from + width);
    showProblem(line, problem, {
      soft: soft && source != null && at + width >= source.trimEnd().length,
      about: parameter && parameter !== "condition" ? parameter : "",
      more: { columns: button("Remove the column", () => store.set({ columns: store.state.columns.filter((one) => one !== source) })),
        sort: button("Remove the sort", () => store.set({ sort: "", dir: "" })) }[parameter],
      take: mine ? (replacement) => editor.replace(from, from + width, replacement) : null,
    });
    if (!soft) {
      byId("funnel").replaceChildren();
      byId("receipt-line").replaceChildren();
      byId("receipt").hidden = true;
    }
    other(parts.condition.text.trim() !== shown?.text);
    if (shown) return;
    place({ empty: true });
    failed(stateBox, problem, { again: run });
  }

  return { scan, preview, run, commit, get shown() { return shown; }, get hues() { return hues; } };
}
