// The line under the condition: the count, or what is wrong with a suggestion that a click takes.
import { button, el, plural } from "/page/js/dom.js";

/** The texts that the message offers in place of the faulty part. */
export function suggestions(problem) {
  if (Array.isArray(problem.suggestions)) return problem.suggestions;
  const text = problem.detail ?? "";
  const asked = text.match(/did you mean (.+?)\?/);
  if (asked) return asked[1].split(/, | or /).map((one) => one.trim()).filter(Boolean);
  const told = text.match(/: write (.+?)(?:, at column \d+)?$/);
  return told ? [told[1]] : [];
}

export function showProblem(line, problem, { soft = false, about = "", take, more } = {}) {
  const text = (problem.detail ?? problem.title ?? "refused").replace(/, at column \d+(?=$|\n)/, "").split("\n")[0];
  line.className = `answer ${soft ? "soft" : "wrong"}`;
  line.replaceChildren(
    el("span", {}, about ? `${about}: ${text}` : text),
    ...(take ? suggestions(problem).slice(0, 3).map((one) =>
      button(one, () => take(one), { class: "suggestion", title: `Replace the underlined text by ${one}` })) : []),
    ...(more ? [more] : []));
}

export function showCount(line, answer, { all = false, took } = {}) {
  const parts = [el("b", {}, plural(answer.matched, all ? "symbol" : "match", all ? "symbols" : "matches"))];
  if (took != null)
    parts.push(el("span", { class: "dim", title: "From the request to the answer; the receipt has the parts" }, `${Math.max(1, Math.round(took))} ms`));
  line.className = "answer";
  line.replaceChildren(...parts);
}
