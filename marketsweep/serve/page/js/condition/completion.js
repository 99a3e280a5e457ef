// What an editor offers at the cursor: names that fit the place, with signature and one line of doc.
import { snippet, startCompletion } from "/page/vendor/codemirror.js";
import { words } from "/page/js/condition/language.js";
import { el, whole } from "/page/js/dom.js";

// Names of other tools that the server would refuse, and ours.
const FOREIGN = {
  C: "close", O: "open", H: "high", L: "low", V: "volume", Ref: "close[1]", HHV: "highest", LLV: "lowest",
  MA: "sma", Cross: "crosses above", Avg: "sma", StDev: "stddev", BBTop: "bbands().upper", BBBot: "bbands().lower",
};

const info = (code, doc, more) => () =>
  el("div", {}, el("code", {}, code), doc && el("p", {}, doc), more && el("small", {}, more));

/** "rsi(close, 14)" without the field that may be omitted: "rsi(14)". */
const brief = (signature) => signature.replace(/\((?:close|x)(?:, |(?=\)))/, "(");

/** Inserts a call whose parameters can be typed over; then offers the outputs, if there are several. */
function call(one) {
  const text = brief(one.signature);
  const inside = text.match(/^(\w+)\((.*)\)$/s);
  if (!inside) return text;
  const template = inside[2]
    ? `${inside[1]}(${inside[2].split(", ").map((part) => `\${${part.replace(/[{}]/g, "")}}`).join(", ")})\${}`
    : text;
  const outputs = one.outputs?.length > 1 && one.name !== "macd";
  return (view, completion, from, to) => {
    const after = view.state.sliceDoc(to, to + 1);
    if (after === "(") {
      view.dispatch({ changes: { from, to, insert: inside[1] }, selection: { anchor: from + inside[1].length + 1 } });
    } else if (outputs) {
      view.dispatch({ changes: { from, to, insert: text + "." }, selection: { anchor: from + text.length + 1 } });
      startCompletion(view);
    } else {
      snippet(template)(view, completion, from, to);
    }
  };
}

let made = null;
function options() {
  if (made?.of === words.known) return made;
  const names = [];
  for (const one of words.fields)
    names.push({ label: one.name, type: "field", detail: "field", info: info(one.name, one.doc), boost: 4 });
  for (const one of words.indicators) {
    const more = [one.units && `in ${one.units}`, one.outputs?.length > 1 && `outputs: ${one.outputs.join(", ")}`];
    const told = info(one.signature, one.doc, more.filter(Boolean).join("; "));
    names.push({ label: one.name, type: "indicator", detail: brief(one.signature).slice(one.name.length), info: told,
      apply: call(one), boost: 3 });
    for (const alias of one.aliases ?? [])
      names.push({ label: alias, type: "indicator", detail: one.name, info: told, apply: call(one), boost: -1 });
  }
  const known = new Set(words.indicators.map((one) => one.name));
  for (const one of words.functions) {
    if (known.has(one.name)) continue;
    const signature = one.signature ?? one.name;
    names.push({ label: one.name, type: "function", detail: signature.slice(one.name.length).slice(0, 28),
      info: info(signature, one.doc), apply: call({ ...one, signature }), boost: 1 });
  }
  for (const one of words.keywords) names.push({ label: one, type: "keyword", detail: "keyword" });
  const facts = words.facts.map((one) => ({
    label: one.name, type: "fact", detail: "fact", boost: 2,
    info: info(one.name, one.doc, (one.values ?? []).slice(0, 4).map(({ value }) => value).join(", ")),
  }));
  const presets = words.presets.map((one) => ({
    label: one.name, type: "preset", detail: "preset", info: info(one.condition, one.doc), boost: -2,
  }));
  made = { of: words.known, names, facts, presets };
  return made;
}

function foreign(word) {
  const numbered = word.match(/^(sma|ema|rsi|atr|adx|roc|wma|cci|mfi)(\d+)$/i);
  const text = numbered ? `${numbered[1].toLowerCase()}(${numbered[2]})` : FOREIGN[word];
  return text ? [{ label: word, displayLabel: `${word}  →  ${text}`, detail: "here", apply: text, boost: 20 }] : [];
}

/** The name of the call whose parentheses end, or are open, before `at`; and the place of the parameter. */
function openCall(text, at) {
  let depth = 0, place = 0;
  for (let i = at - 1; i >= 0; i--) {
    if (text[i] === ")" || text[i] === "]") depth++;
    else if (text[i] === "[") depth--;
    else if (text[i] === "(" && depth-- === 0)
      return { name: text.slice(0, i).match(/(\w+)\s*$/)?.[1]?.toLowerCase(), place };
    else if (text[i] === "," && depth === 0) place++;
  }
  return null;
}

const indicator = (name) =>
  words.indicators.find((one) => one.name === name || (one.aliases ?? []).includes(name));

function values(before, from) {
  const found = before.match(/(\w+)\s*(?:==?|!=)\s*("[^"]*|\w*)$/) ?? before.match(/(\w+)\s+in\s*\[(?:[^\]]*,)?\s*("[^"]*|\w*)$/);
  const fact = found && words.facts.find((one) => one.name === found[1].toLowerCase());
  if (!fact?.values?.length) return null;
  const start = from - found[2].length;
  return {
    from: start,
    filter: false,
    options: fact.values
      .filter(({ value }) => String(value).toLowerCase().includes(found[2].replace('"', "").toLowerCase()))
      .map(({ value, count }) => ({
        label: JSON.stringify(value), detail: count == null ? "" : whole(count),
        apply(view, _, first, to) {
          const end = view.state.sliceDoc(to, to + 1) === '"' ? to + 1 : to;
          const insert = JSON.stringify(value);
          view.dispatch({ changes: { from: first, to: end, insert }, selection: { anchor: first + insert.length } });
        },
      })),
  };
}

/** `place`: "condition", "where" (facts only) or "column". */
export const completions = (place) => (context) => {
  if (!words.ready) return null;
  const before = context.state.sliceDoc(0, context.pos);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  if (/^[^"']*#/.test(line)) return null;
  const found = values(before, context.pos);
  if (found) return found;
  if ((line.match(/"/g)?.length ?? 0) % 2) return null;

  const output = before.match(/\)\.(\w*)$/);
  if (output) {
    const close = context.pos - output[0].length;
    const one = indicator(openCall(before, close)?.name);
    return one?.outputs?.length
      ? { from: context.pos - output[1].length, options: one.outputs.map((label) => ({ label, detail: one.name })) }
      : null;
  }
  const { names, facts, presets } = options();
  const all = place === "where" ? facts : names.concat(facts, place === "condition" ? presets : []);
  const word = context.matchBefore(/(?<![\w.])[A-Za-z_]\w*/);
  if (word) {
    if (before[word.from - 1] === "." || /\blet\s+$|\bdef\s+$/.test(before.slice(0, word.from))) return null;
    return { from: word.from, options: foreign(word.text).concat(all), validFor: /^\w*$/ };
  }
  if (/[(,]\s*$/.test(before)) {
    const open = openCall(before, context.pos);
    const one = open && indicator(open.name);
    if (!one) return context.explicit ? { from: context.pos, options: all } : null;
    const parts = one.signature.match(/\((.*)\)/)?.[1].split(", ") ?? [];
    const field = /^[a-z]/.test(parts[0] ?? "");
    const first = parts.length - (one.parameters?.length ?? 0);
    const numbers = one.parameters?.[Math.max(0, open.place - (open.place ? first : 0))];
    const offered = numbers ? [{ label: String(numbers.default), detail: numbers.name, boost: 9,
      info: info(one.signature, one.doc) }] : [];
    const series = field && open.place === 0 ? names.filter(({ type }) => type === "field") : [];
    return { from: context.pos, options: offered.concat(series) };
  }
  return context.explicit ? { from: context.pos, options: all } : null;
};
