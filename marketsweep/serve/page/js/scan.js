// Scans: the parameters of a request from the state, previews while typing, and the complete run.
import { address, get, Latest } from "/page/js/api.js";
import { store } from "/page/js/state.js";

export const EVERYTHING = "close > 0"; // what an empty condition shows
const RANK = "median(dollar_volume, 20)"; // how the server ranks without a sort
const BASE = ["name", "roc(1)"];

const quoted = (symbols) => symbols.map((one) => JSON.stringify(one)).join(", ");

/** Pinned rows come first: they are the first thing to sort by. */
function ranked({ sort, dir, pins }) {
  if (!pins.length) return sort;
  const is = `symbol in [${quoted(pins)}]`;
  return `number(${dir === "asc" ? `not ${is}` : is}), ${sort || RANK}`;
}

export const scope = ({ universe, where } = store.state) => ({ universe, where });

export function parameters(state, text) {
  return {
    condition: text.trim() || EVERYTHING,
    ...scope(state),
    as_of: state.as_of,
    sort: ranked(state),
    descending: state.dir === "asc" ? "false" : "",
    columns: [...BASE, ...state.columns.filter((one) => !BASE.includes(one))].join(", "),
  };
}

/** The columns of the condition, each with its colour, and then those that the user added. */
export function columnsOf(answer, own, names = answer.columns) {
  const keys = names ?? Object.keys(answer.matches[0]?.values ?? {});
  const of = keys.filter((one) => !BASE.includes(one) && !own.includes(one) && one !== "close");
  return [
    ...of.map((key, hue) => ({ key, hue })),
    ...own.map((key) => ({ key, own: true })),
  ];
}

const scans = new Latest();
export const cancelScan = () => scans.cancel();

export async function scan(state, text, { preview }) {
  const wanted = parameters(state, text);
  const began = performance.now();
  const answer = await scans.run((signal) => get("scan", { ...wanted, limit: preview ? 50 : 200 }, signal));
  return answer && { answer, wanted, took: performance.now() - began };
}

const funnels = new Latest();
/** The funnel, and near misses if nothing matches: asked for after the rows, which need not wait for it. */
export const funnelOf = (wanted, matched) =>
  funnels.run((signal) => get("scan", { ...wanted, sort: "", columns: "", limit: 0, funnel: true, near: matched ? "" : 5 }, signal));

export const page = (wanted, offset, limit) => get("scan", { ...wanted, offset, limit }).then((one) => one.matches);

export const everySymbol = (wanted) =>
  get("scan", { ...wanted, columns: "", limit: 20000 }).then((one) => one.matches.map(({ symbol }) => symbol));

export const excluded = ({ condition, where, universe, as_of }, reason) =>
  get("excluded", { condition, where, universe, as_of, reason, limit: 400 });

const changing = new Latest();
/** What entered the scan since the session before, and what left it. */
export const changesOf = ({ condition, where, universe, as_of }) =>
  changing.run((signal) => get("changes", { condition, where, universe, as_of }, signal));

export const download = (wanted, format) => address("scan", { ...wanted, format, limit: 20000 });

/** Asks the server whether an expression can be a column. */
export const tryColumn = (state, text) =>
  get("scan", { condition: EVERYTHING, as_of: state.as_of, columns: text, limit: 1 });
