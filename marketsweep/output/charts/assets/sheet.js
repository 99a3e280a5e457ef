"use strict";
// Sorts and filters the cards of the sheet.
(() => {
  const tools = document.getElementById("tools");
  if (!tools) return;
  const list = document.querySelector("main");
  const cards = [...list.children];
  const number = (text) => (text === undefined || text === "None" || text === "nan" ? NaN : Number(text));
  const compare = (key, sign) => (a, b) => {
    if (key === "symbol") return sign * (a.dataset.symbol < b.dataset.symbol ? -1 : 1);
    const [x, y] = [number(a.dataset[key]), number(b.dataset[key])];
    // What is unknown comes last in either order; equal values stay in rank order.
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return sign * (x - y) || a.dataset.rank - b.dataset.rank;
  };
  const show = () => {
    const words = tools.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      card.hidden = !words.every((word) => card.dataset.text.includes(word));
      shown += !card.hidden;
    }
    const key = tools.sort.value;
    list.append(...[...cards].sort(compare(key, tools.descending.checked ? -1 : 1)));
    tools.querySelector("output").textContent = words.length ? `${shown} of ${cards.length}` : "";
  };
  tools.sort.addEventListener("change", () => {
    tools.descending.checked = !["rank", "symbol"].includes(tools.sort.value);
    show();
  });
  tools.addEventListener("input", show);
  tools.addEventListener("submit", (event) => event.preventDefault());
})();
