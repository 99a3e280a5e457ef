// The selected symbol: who it is, its chart, and why it matches or what followed past matches.
import { get, Latest } from "/page/js/api.js";
import { button, byId, digits, el, isNarrow, price, short } from "/page/js/dom.js";
import { PANELS } from "/page/js/detail/panels.js";
import { store } from "/page/js/state.js";

const INTERVALS = { day: { text: "D", bars: 252 }, week: { text: "W", bars: 1260 }, month: { text: "M", bars: 5040 } };

export function createDetail({ step, scope, condition, version, row, hues, pin, closed, select, go }) {
  const [aside, who, box, panel] = ["detail", "who", "chart", "panel"].map(byId);
  const tabs = Object.fromEntries(Object.keys(PANELS).map((name) => [name, byId(`tab-${name}`)]));
  const requests = { chart: new Latest(), panel: new Latest() };
  let chart = null, shown = "", told = "", facts = {};

  function drawWho() {
    const { symbol, pins } = store.state;
    const match = row(symbol);
    const name = match?.values.name ?? facts[symbol]?.name ?? "";
    const known = facts[symbol] ?? {};
    const moved = match?.values["roc(1)"] ?? known.change;
    const is = pins.includes(symbol);
    const more = [known.exchange, known.type, known.sector, known.market_cap && `${short(known.market_cap)} market cap`];
    who.replaceChildren(
      el("h2", {}, symbol, " ", el("span", {}, name)),
      el("p", { class: "quote" },
        el("b", {}, price(match?.close ?? known.close)), " ",
        moved == null ? "" : el("span", { class: moved > 0 ? "gain" : moved < 0 ? "loss" : "" },
          `${moved > 0 ? "▲ +" : moved < 0 ? "▼ −" : ""}${digits(Math.abs(moved), 2)} %`),
        el("span", { class: "dim" }, " " + more.filter(Boolean).join(" · "))),
      el("div", { class: "tools" },
        el("span", { role: "group", "aria-label": "A bar is a" }, ...Object.entries(INTERVALS).map(([name, { text }]) =>
          button(text, () => store.set({ interval: name === "day" ? "" : name }), {
            class: "quiet", "aria-pressed": String((store.state.interval || "day") === name), "aria-label": name,
            title: `A bar is a ${name}; lines are those of daily bars, at its last session`,
          }))),
        button("‹ k", () => step(-1), { class: "quiet", title: "Previous match (k)", "aria-label": "‹ k, previous match" }),
        button("j ›", () => step(1), { class: "quiet", title: "Next match (j)", "aria-label": "j ›, next match" }),
        button(is ? "Unpin" : "Pin", () => pin(symbol), { class: "quiet", "aria-pressed": String(is), title: "Keep the row on top (f)" }),
        button("Side by side", () => document.body.classList.toggle("beside"), { class: "quiet only-middle" }),
        button("Close", close, { class: "quiet", title: "Close the chart (Esc)" })));
  }

  function close() {
    closed();
    store.set({ symbol: "", panel: "" }, "replace");
    byId("grid").focus({ preventScroll: true });
  }

  async function drawSymbol() {
    const { symbol, as_of } = store.state, interval = store.state.interval in INTERVALS ? store.state.interval : "day";
    const wanted = JSON.stringify([symbol, as_of, condition(), version(), interval]);
    drawWho();
    if (!symbol || wanted === shown) return;
    shown = wanted;
    box.classList.add("stale");
    delete box.dataset.drawn;
    try {
      await requests.chart.run(async (signal) => {
        const bars = INTERVALS[interval].bars / (isNarrow() ? 2 : 1);
        const [data, { drawChart }] = await Promise.all([
          get("chart", { symbol, condition: condition(), as_of, bars, interval }, signal),
          import("/page/js/detail/chart.js"),
        ]);
        if (signal.aborted) return;
        const last = data.close.length - 1;
        facts[symbol] = { ...data.facts, name: data.name, close: data.close[last],
          change: data.change };
        drawWho();
        const before = chart;
        chart = null;
        before?.destroy();
        chart = await drawChart(box, data, hues(), () => signal.aborted);
        box.classList.remove("stale");
      });
    } catch (error) {
      shown = "";
      chart?.destroy();
      chart = null;
      box.classList.remove("stale");
      box.replaceChildren(el("p", { class: "problem" }, `No chart of ${symbol}: ${error.message}`));
    }
  }

  async function drawPanel() {
    const { symbol, as_of, panel: chosen } = store.state;
    const kind = chosen in PANELS ? chosen : "explain";
    for (const [name, tab] of Object.entries(tabs)) {
      tab.setAttribute("aria-selected", String(name === kind));
      tab.tabIndex = name === kind ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", tabs[kind].id);
    const asked = { symbol, as_of, condition: condition(), scope: scope() };
    const { of, missing, long, ask, draw } = PANELS[kind];
    const wanted = JSON.stringify([kind, version(), as_of, ...of.map((name) => asked[name])]);
    if (wanted === told) return;
    told = wanted;
    const lacks = missing(asked);
    if (lacks) {
      requests.panel.cancel();
      panel.classList.remove("stale");
      panel.replaceChildren(el("p", { class: "dim" }, lacks));
      return;
    }
    panel.classList.add("stale");
    if (long && panel.dataset.kind !== kind)
      panel.replaceChildren(el("p", { class: "dim" }, `${long} … `,
        button("Stop", () => { requests.panel.cancel(); store.set({ panel: "" }, "replace"); })));
    panel.dataset.kind = kind;
    try {
      const answer = await requests.panel.run((signal) => ask(asked, signal));
      if (!answer) return;
      panel.classList.remove("stale");
      draw(panel, answer, { hues: hues(), select, go });
      panel.dataset.done = kind;
    } catch (error) {
      told = "";
      panel.replaceChildren(el("p", { class: "problem" }, error.message));
    }
    panel.classList.remove("stale");
  }

  byId("close-panel").addEventListener("click", close);
  for (const [name, tab] of Object.entries(tabs)) {
    tab.addEventListener("click", () => store.set({ panel: name === "explain" ? "" : name }, "replace"));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const names = Object.keys(tabs), step = event.key === "ArrowRight" ? 1 : names.length - 1;
      const other = names[(names.indexOf(name) + step) % names.length];
      tabs[other].focus();
      tabs[other].click();
    });
  }

  return {
    close,
    draw() {
      const { symbol, panel: chosen } = store.state;
      const open = Boolean(symbol || chosen);
      aside.hidden = !open;
      document.body.classList.toggle("with-detail", open);
      aside.classList.toggle("no-symbol", !symbol);
      if (!symbol) {
        requests.chart.cancel();
        chart?.destroy();
        chart = null;
        shown = "";
        delete box.dataset.drawn;
      }
      if (!open) return;
      drawSymbol();
      drawPanel();
    },
  };
}
