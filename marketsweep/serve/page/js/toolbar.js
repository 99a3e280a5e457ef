// The line above the table: the receipt, a field to add a column, the sort for narrow screens, and exports.
import { completions } from "/page/js/condition/completion.js";
import { createEditor } from "/page/js/condition/editor.js";
import { button, byId, el, whole } from "/page/js/dom.js";
import { showProblem } from "/page/js/result/problem.js";
import { createScale } from "/page/js/result/scale.js";
import * as scans from "/page/js/scan.js";
import { store } from "/page/js/state.js";

export function createToolbar({ results, table, select, pin }) {
  const grid = byId("grid");
  let showNewColumn = false;

  const adder = createEditor(byId("adder"), {
    label: "Add a column: type an expression", hint: "+ column: rsi(14)", single: true,
    complete: completions("column"),
    run: addColumn,
    left: () => grid.focus({ preventScroll: true }),
  });

  async function addColumn(text) {
    const wanted = text.trim();
    if (!wanted) return;
    if (store.state.columns.includes(wanted)) { adder.text = ""; return; }
    adder.fault(null);
    try {
      await scans.tryColumn(store.state, wanted);
      adder.text = "";
      showNewColumn = true;
      results.commit({ columns: [...store.state.columns, wanted] });
    } catch ({ problem, message }) {
      const { column: at, width = 1 } = problem ?? {};
      if (at != null) adder.fault(at, at + width);
      showProblem(byId("answer"), problem ?? { detail: message }, {
        about: "column",
        take: at == null ? null : (replacement) => adder.replace(at, at + width, replacement),
      });
    }
  }

  const receiptLine = byId("receipt-line");
  receiptLine.addEventListener("click", () => {
    const open = byId("receipt").hidden;
    byId("receipt").hidden = !open;
    byId("split").classList.toggle("receipt-open", open);
    receiptLine.setAttribute("aria-expanded", String(open));
  });

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
    results.commit({ sort, dir });
  });

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

  const scale = createScale({ table, choose: (colour) => results.commit({ colour }) });

  async function copy() {
    const { shown } = results;
    if (!shown) return;
    const opener = byId("copy");
    try {
      const loaded = table.symbols();
      const symbols = loaded.length >= shown.answer.matched ? loaded : await scans.everySymbol(shown.wanted);
      await navigator.clipboard.writeText(symbols.join("\n"));
      opener.textContent = `Copied ${whole(symbols.length)}`;
    } catch {
      opener.textContent = "Not permitted here"; // the browser allows it on this machine or by https only
    }
    setTimeout(() => { opener.textContent = "Copy"; }, 1600);
  }
  byId("copy").addEventListener("click", copy);

  return {
    copy,
    colour: () => results.shown && scale.show(results.shown),
    show({ answer, wanted }) {
      byId("csv").href = scans.download(wanted, "csv");
      byId("parquet").href = scans.download(wanted, "parquet");
      if (showNewColumn) grid.scrollLeft = grid.scrollWidth;
      showNewColumn = false;
      drawSorter();
      drawPinned();
      scale.show({ answer, wanted });
    },
  };
}
