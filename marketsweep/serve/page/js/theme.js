"use strict";
// Sets the theme before the first paint: the stored choice, else what the system asks for.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // the browser refuses storage
    }
  };
  const apply = () => {
    root.dataset.theme = stored() ?? (dark.matches ? "dark" : "light");
    root.dispatchEvent(new Event("themechange"));
  };
  apply();
  dark.addEventListener("change", apply);
  root.addEventListener("toggletheme", () => {
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      if (next === (dark.matches ? "dark" : "light")) localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
      apply();
    } catch {
      root.dataset.theme = next;
      root.dispatchEvent(new Event("themechange"));
    }
  });
})();
