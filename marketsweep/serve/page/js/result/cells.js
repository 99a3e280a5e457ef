// How values look in the table: decimals of a column aligned, units chosen once for a column, sparklines.
import { digits } from "/page/js/dom.js";

const SVG = "http://www.w3.org/2000/svg";

/** A writer for the numbers of a column, from some of its values: all have their point at the same place. */
export function writer(values) {
  const sizes = values.filter((x) => typeof x === "number").map(Math.abs).sort((a, b) => a - b);
  if (!sizes.length) return { text: (x) => (x == null ? "–" : typeof x === "number" ? digits(x, 2) : String(x)), unit: "" };
  const most = sizes[sizes.length - 1];
  const middle = sizes[sizes.length >> 1];
  let divisor = 1, unit = "", places = 2;
  if (middle >= 1e9) [divisor, unit] = [1e9, "B"];
  else if (middle >= 1e6) [divisor, unit] = [1e6, "M"];
  else if (sizes.every(Number.isInteger)) places = 0;
  else if (middle >= 1e4) places = 0;
  else if (most < 1) places = 4;
  return { text: (x) => (x == null ? "–" : typeof x === "number" ? digits(x / divisor, places) + unit : String(x)), unit };
}

export function spark(closes) {
  const known = closes?.filter((x) => x != null) ?? [];
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", "0 0 80 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  if (known.length < 2) return svg;
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const step = 78 / Math.max(1, closes.length - 1);
  const points = [];
  closes.forEach((x, i) => {
    if (x != null) points.push(`${(1 + i * step).toFixed(1)},${(18 - ((x - low) / span) * 16).toFixed(1)}`);
  });
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}

/** Sign, arrow and colour class of a change in percent. */
export function change(x) {
  if (x == null) return { text: "–", kind: "" };
  const kind = x > 0 ? "gain" : x < 0 ? "loss" : "";
  const arrow = x > 0 ? "▲" : x < 0 ? "▼" : " ";
  return { text: `${arrow} ${x > 0 ? "+" : x < 0 ? "" : " "}${digits(x, 2)}`, kind };
}
