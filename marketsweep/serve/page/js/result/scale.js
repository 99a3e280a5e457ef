// The colour scale of one column: how deep the colour of a value is, among the values of all matches.
import { byId, el } from "/page/js/dom.js";
import { Latest } from "/page/js/api.js";
import { page } from "/page/js/scan.js";
import { store } from "/page/js/state.js";

const CHANGE = "roc(1)";
const EDGE = 0.02; // the share of the matches at each end that have the palest or the deepest colour

/** The values at both edges and in the middle: three rows of the matches sorted by the column. */
async function marks(wanted, matched, key) {
  const at = async (share, descending) => {
    const sorted = { ...wanted, sort: key, descending, columns: key };
    const [row] = await page(sorted, Math.floor((matched - 1) * share), 1);
    return row?.values[key];
  };
  // Unknown values come last in both orders, so the edges are exact; the middle is near enough.
  return Promise.all([at(EDGE, "false"), at(0.5, "false"), at(EDGE, "")]);
}

/** A function from a value to its colour and the depth of it, from 0 to 1. */
function painter(key, [low, middle, high]) {
  if (key === CHANGE) {
    const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return (x) => ({ kind: x < 0 ? "falls" : "rises", depth: Math.min(1, Math.abs(x) / most) });
  }
  const between = (x, from, to) => (to > from ? Math.min(1, Math.max(0, (x - from) / (to - from))) : 1);
  return (x) => ({ kind: "deep", depth: x < middle ? between(x, low, middle) / 2 : 0.5 + between(x, middle, high) / 2 });
}

export function createScale({ table, choose }) {
  const select = byId("colour");
  const requests = new Latest();
  let drawn = "";
  select.addEventListener("change", () => choose(select.value));

  return {
    /** Offers the numeric columns, and colours the one that the state names. */
    async show({ answer, wanted }) {
      const { colour } = store.state;
      const columns = table.columns().filter(({ sort, key }) => sort && key !== "close");
      select.replaceChildren(el("option", { value: "" }, "colour: none"), ...columns.map(({ sort, title }) =>
        el("option", { value: sort, selected: sort === colour }, `colour: ${title}`)));
      select.disabled = !columns.length;
      if (!columns.some(({ sort }) => sort === colour)) {
        drawn = "";
        return table.shade(null);
      }
      const { condition, where, universe, as_of } = wanted;
      const now = JSON.stringify([condition, where, universe, as_of, colour, answer.data_version]);
      if (now === drawn) return;
      const found = await requests.run(() => marks(wanted, answer.matched, colour)).catch(() => null);
      if (!found || store.state.colour !== colour) return;
      drawn = now;
      table.shade(found.some((x) => typeof x !== "number") ? null : { sort: colour, paint: painter(colour, found) });
    },
  };
}
