// What is stored, how old it is, what is missing; and a sync that can be followed and stopped.
import { address, get, send } from "/page/js/api.js";
import { button, byId, el, plural, short, whole, withWeekday } from "/page/js/dom.js";
import { createQuality } from "/page/js/quality.js";
import { signedInAs } from "/page/js/signin.js";

const GAPS = [
  ["missing", "missing sessions"], ["partial", "sessions with some symbols only"], ["thin", "sessions with few bars"],
  ["frozen", "sessions that repeat the one before"],
];
const MOST_DAYS = 12;

export function createData({ changed, select }) {
  const opener = byId("stored"), box = byId("data");
  const facts = el("table", {}), run = el("div", { class: "sync", role: "status" }), session = el("div", {});
  const quality = createQuality({ select(flag) { box.hidden = true; opener.setAttribute("aria-expanded", "false"); leave(); select(flag); } });
  box.append(facts, run, session, quality.box);
  let source = null;

  function drawFacts(status) {
    const rows = [
      ["stored", status.sessions
        ? `${plural(status.sessions, "session")}, ${withWeekday(status.first)} to ${withWeekday(status.last)}` : "nothing yet"],
      ["symbols and bars", `${whole(status.symbols)} symbols, ${whole(status.bars)} bars, ${short(status.bytes)} bytes`],
      ["splits and dividends", `${whole(status.splits)} and ${whole(status.dividends)}`],
      ["age", status.sessions_behind ? `${plural(status.sessions_behind, "session")} behind today` : "up to date"],
      ...GAPS.filter(([name]) => status[name]?.length).map(([name, text]) => [text, listed(status[name])]),
    ];
    facts.replaceChildren(el("tbody", {}, ...rows.map(([name, text]) =>
      el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, text)))));
  }
  const listed = (days) =>
    `${days.slice(0, MOST_DAYS).join(", ")}${days.length > MOST_DAYS ? ` and ${whole(days.length - MOST_DAYS)} more` : ""}`;

  function drawSync({ state, done, total, bars, receipt, error }) {
    const start = () => button("Sync now", begin, { class: "primary" });
    const figures = `${whole(bars)} bars`;
    if (state === "running" || state === "stopping") {
      const progress = el("progress", { max: Math.max(total, 1), value: done, "aria-label": "Progress of the sync" });
      run.replaceChildren(progress, ` ${whole(done)} of ${whole(total)} calls, ${figures} `,
        state === "stopping" ? "stopping …" : button("Stop", () => send("DELETE", "sync").catch(refused)));
    } else if (state === "done") {
      run.replaceChildren(`Done: ${whole(receipt.new)} new and ${whole(receipt.revised)} corrected bars. `, start(),
        ...receipt.warnings.map((text) => el("p", { class: "warn" }, text)));
    } else if (state === "stopped") {
      run.replaceChildren(`Stopped; ${figures} were received, and what was committed stays. `, start());
    } else if (state === "failed") {
      run.replaceChildren(el("p", { class: "loss" }, error), start());
    } else {
      run.replaceChildren(start(), el("span", { class: "dim" }, " fetches missing sessions from the provider"));
    }
  }

  const refused = ({ message }) => run.replaceChildren(el("p", { class: "loss" }, message), button("Try again", begin));
  async function begin() {
    try {
      drawSync(await send("POST", "sync", {}));
    } catch (error) {
      refused(error);
    }
  }

  /** Follow the sync while the panel is open, or while one runs. */
  function follow() {
    if (source) return;
    let ran = false;
    source = new EventSource(address("sync"));
    source.addEventListener("progress", ({ data }) => {
      const progress = JSON.parse(data);
      drawSync(progress);
      const runs = progress.state === "running" || progress.state === "stopping";
      if (ran && !runs) refresh().then(changed);
      ran = runs;
      if (!runs && box.hidden) leave();
    });
  }
  function leave() {
    source?.close();
    source = null;
  }

  async function refresh() {
    const status = await get("status");
    drawFacts(status);
    return status;
  }

  opener.addEventListener("click", async () => {
    const open = box.hidden;
    box.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (!open) return;
    try {
      await refresh();
      follow();
      quality.show();
      session.replaceChildren(...[await signedInAs()].filter(Boolean));
    } catch ({ message }) {
      facts.replaceChildren(el("caption", { class: "loss" }, message));
    }
  });
}
