"use strict";
// Sorts and filters the cards of the sheet.
(() => {
  const tools = document.getElementById("tools");
  if (!tools) return;
  const list = document.querySelector("main");
  const cards = [...list.children];
  const value = (text) => {
    if (text === undefined || text === "None" || text === "nan") return null;
    return Number.isNaN(Number(text)) ? text.toLowerCase() : Number(text);
  };
  const compare = (key, sign) => (a, b) => {
    if (key === "symbol") return sign * (a.dataset.symbol < b.dataset.symbol ? -1 : 1);
    const [x, y] = [value(a.dataset[key]), value(b.dataset[key])];
    // What is unknown comes last in either order; equal values stay in rank order.
    if (x === null || y === null) return (x === null) - (y === null);
    return x === y ? a.dataset.rank - b.dataset.rank : sign * (x < y ? -1 : 1);
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
