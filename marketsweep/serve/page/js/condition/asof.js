// The session of the scan: a field, steps, and a slider over a histogram of the matches of each session.
import { button, byId, el, fault, later, weekday, whole } from "/page/js/dom.js";

/** Whether a text is a day of the calendar: 2016-02-30 is not one. */
function isDay(text) {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

export function createAsOf({ choose }) {
  const box = byId("asof");
  let days = [], counts = new Map(), at = 0;

  const name = el("label", { for: "day", class: "dim" }, "as of");
  const field = el("input", {
    id: "day", type: "text", inputMode: "numeric", size: 10, maxLength: 10, autocomplete: "off", oninput: () => fault(field, ""),
    placeholder: "yyyy-mm-dd", title: "A session, year-month-day", onchange: () => typed(),
  });
  const back = button("‹", () => go(at - 1), { "aria-label": "Previous session", title: "Previous session" });
  const on = button("›", () => go(at + 1), { "aria-label": "Next session", title: "Next session" });
  const canvas = el("canvas", { class: "bars", "aria-hidden": "true" });
  const range = el("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": "As-of session" });
  const told = el("output", { class: "told dim", for: "day" });
  const slider = el("div", { class: "slider" }, canvas, range);
  box.append(name, field, back, slider, on, told);

  function typed() {
    const wanted = field.value.trim();
    if (!days.length) return;
    if (!isDay(wanted)) return fault(field, `${wanted} is not a day. Write year-month-day, such as ${days[at]}.`);
    if (wanted > days.at(-1)) return fault(field, `The newest stored session is ${days.at(-1)}.`);
    let found = days.length - 1;
    while (found > 0 && days[found] > wanted) found--; // that session, or the last one before it
    go(found);
  }

  function go(to) {
    if (to < 0 || to >= days.length) return;
    show(days[to]);
    choose(to === days.length - 1 ? "" : days[to]);
  }

  function say(i) {
    const one = counts.get(days[i]);
    const where = i === at ? "" : `${days[i]}: `;
    told.textContent = one ? `${where}${whole(one.matched)} matches` : "";
    slider.title = days[i] ? `${weekday(days[i])} ${days[i]}` + (one ? `: ${whole(one.matched)} of ${whole(one.evaluated)} evaluated symbols` : "") : "";
    range.setAttribute("aria-valuetext", `${weekday(days[i])} ${days[i]}${one ? `, ${whole(one.matched)} matches` : ""}`);
  }

  const settle = later(150, () => choose(at === days.length - 1 ? "" : days[at]));
  range.addEventListener("input", () => {
    show(days[Number(range.value)]);
    settle();
  });
  slider.addEventListener("pointermove", (event) => {
    if (!days.length) return;
    const share = event.offsetX / Math.max(1, slider.clientWidth);
    say(Math.max(0, Math.min(days.length - 1, Math.round(share * (days.length - 1)))));
  });
  slider.addEventListener("pointerleave", () => say(at));

  function draw() {
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const [quiet, strong] = ["bar", "accent"].map((one) => style.getPropertyValue("--" + one).trim());
    const most = Math.max(1, ...[...counts.values()].map(({ matched }) => matched));
    const step = width / Math.max(1, days.length);
    days.forEach((day, i) => {
      const one = counts.get(day)?.matched ?? 0;
      context.fillStyle = i === at ? strong : quiet;
      const tall = one ? Math.max(1, (one / most) * (height - 2)) : 0;
      context.fillRect(i * step, height - tall, Math.max(1, step - 0.4), tall);
      if (i === at) context.fillRect(i * step, 0, Math.max(1.5, step - 0.4), height);
    });
  }

  function show(day) {
    if (!days.length) return;
    const found = days.indexOf(day);
    at = found < 0 ? days.length - 1 : found;
    fault(field, "");
    field.value = days[at];
    name.textContent = `as of ${weekday(days[at])}`;
    range.value = String(at);
    back.disabled = at === 0;
    on.disabled = at === days.length - 1;
    say(at);
    draw();
  }
  new ResizeObserver(draw).observe(canvas);
  document.documentElement.addEventListener("themechange", draw);

  return {
    days(all) {
      days = all;
      range.max = String(Math.max(0, all.length - 1));
    },
    show,
    /** Shows the session that was asked for; if it is not stored, that of the answer. */
    follow(asked, answered) {
      show(days.includes(asked) ? asked : asked ? answered : days.at(-1));
    },
    /** The matches of each session, or null while they are unknown. */
    counts(sessions) {
      counts = new Map((sessions ?? []).map((one) => [one.day, one]));
      box.classList.toggle("counted", counts.size > 0);
      say(at);
      draw();
    },
  };
}
