// Small helpers to build elements and to write numbers. Data only ever becomes text, never HTML.

export const byId = (id) => document.getElementById(id);

/** An element with properties; `on...` are listeners, `data-...`, `aria-...` and `role` are attributes. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name in made && !name.includes("-") && name !== "role") made[name] = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

export const button = (text, onclick, properties = {}) =>
  el("button", { type: "button", onclick, ...properties }, text);

const written = new Map();
export function digits(x, places) {
  if (!written.has(places))
    written.set(places, new Intl.NumberFormat("en-US", {
      minimumFractionDigits: places, maximumFractionDigits: places,
    }));
  return written.get(places).format(x).replace("-", "−");
}

export const whole = (x) => digits(x, 0);
export const plural = (n, one, many = one + "s") => `${whole(n)} ${n === 1 ? one : many}`;
export const percent = (share, places = 1) =>
  share == null ? "–" : digits(share * 100, places) + " %";
export const signed = (share, places = 2) =>
  share == null ? "–" : (share > 0 ? "+" : "") + percent(share, places);

export function price(x) {
  if (x == null) return "–";
  return Math.abs(x) >= 1 || x === 0 ? digits(x, 2) : digits(x, 4);
}

export function short(x) {
  if (x == null) return "–";
  const size = Math.abs(x);
  for (const [limit, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"]])
    if (size >= limit) return digits(x / limit, 2) + unit;
  return size >= 1e4 ? digits(x, 0) : price(x);
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
export const weekday = (day) => (day ? DAYS[new Date(day + "T00:00:00Z").getUTCDay()] : "");
export const withWeekday = (day) => (day ? `${weekday(day)} ${day}` : "");

export function later(milliseconds, call) {
  let timer = 0;
  const delayed = (...all) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...all), milliseconds);
  };
  delayed.cancel = () => clearTimeout(timer);
  return delayed;
}

/** Says in a field what is wrong with its text; "" takes it away. */
export function fault(field, text) {
  field.setCustomValidity(text);
  field.setAttribute("aria-invalid", String(Boolean(text)));
  if (text) field.reportValidity();
}

export const isNarrow = () => matchMedia("(max-width: 720px)").matches;
