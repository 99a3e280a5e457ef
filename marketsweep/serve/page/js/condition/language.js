// The colours of a condition: a tokenizer of the language for CodeMirror.
import { HighlightStyle, StreamLanguage, syntaxHighlighting, tags } from "/page/vendor/codemirror.js";

/** All names that the server knows; filled when its vocabulary is there. */
export const words = {
  ready: false, fields: [], functions: [], keywords: [], facts: [], indicators: [], presets: [], known: new Map(),
};

const KEYWORDS =
  "and or not within for bars bar between in contains matches crosses above below is rising falling let def by running";

export function learn({ vocabulary, indicators, presets }) {
  Object.assign(words, {
    ready: true,
    fields: vocabulary.fields ?? [],
    functions: vocabulary.functions ?? [],
    keywords: vocabulary.keywords ?? KEYWORDS.split(" "),
    facts: vocabulary.facts ?? [],
    indicators: indicators ?? [],
    presets: presets ?? [],
  });
  const known = new Map();
  for (const one of words.presets) known.set(one.name.toLowerCase(), "preset");
  for (const one of words.functions) known.set(one.name.toLowerCase(), "function");
  for (const one of words.indicators)
    for (const name of [one.name, ...(one.aliases ?? [])]) known.set(name.toLowerCase(), "indicator");
  for (const one of words.facts) known.set(one.name.toLowerCase(), "fact");
  for (const one of words.fields) known.set(one.name.toLowerCase(), "field");
  for (const one of words.keywords) known.set(one.toLowerCase(), "keyword");
  words.known = known;
}

/** An expression as the server writes it in charts: without spaces, all parameters given, `close` left out. */
export function canonical(expression) {
  return expression.toLowerCase().replace(/\s+/g, "").replace(/(\w+)\(([^()]*)\)/g, (whole, name, inside) => {
    const one = words.indicators.find((known) => known.name === name || (known.aliases ?? []).includes(name));
    if (!one) return whole;
    const given = inside ? inside.split(",") : [];
    const series = given.length && !/^[-\d.]/.test(given[0]) ? [given.shift()] : [];
    const numbers = (one.parameters ?? []).map(({ default: usual }, i) => given[i] ?? String(usual));
    return `${one.name}(${[...series.filter((x) => x !== "close"), ...numbers, ...given.slice(numbers.length)].join(",")})`;
  });
}

const keywords = new Set(KEYWORDS.split(" "));
const KINDS = {
  keyword: "keyword", field: "atom", fact: "atom", indicator: "variableName.function",
  function: "variableName.function", preset: "macroName",
};

export const language = StreamLanguage.define({
  name: "condition",
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return "comment";
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/) || stream.match(/^'(?:[^'\\]|\\.)*'?/)) return "string";
    if (stream.match(/^\d{4}-\d\d-\d\d/)) return "number";
    if (stream.match(/^(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?[kmbt%]?/i)) return "number";
    if (stream.match(/^\.[a-z_]\w*/i)) return "propertyName";
    const word = stream.match(/^[a-z_]\w*/i);
    if (word) {
      const name = word[0].toLowerCase();
      if (keywords.has(name)) return "keyword";
      return KINDS[words.known.get(name)] ?? "variableName";
    }
    if (stream.match(/^(?:[<>!=]=?|[-+*/^])/)) return "operator";
    stream.next();
    return "punctuation";
  },
  languageData: { commentTokens: { line: "#" }, closeBrackets: { brackets: ["(", "[", '"', "'"] } },
});

export const colours = syntaxHighlighting(HighlightStyle.define([
  { tag: tags.keyword, color: "var(--code-keyword)", fontWeight: "600" },
  { tag: tags.atom, color: "var(--text)" },
  { tag: tags.function(tags.variableName), color: "var(--code-name)" },
  { tag: tags.macroName, color: "var(--accent-text)" },
  { tag: tags.propertyName, color: "var(--code-name)" },
  { tag: tags.number, color: "var(--code-number)" },
  { tag: tags.string, color: "var(--code-string)" },
  { tag: tags.comment, color: "var(--dim)", fontStyle: "italic" },
  { tag: tags.operator, color: "var(--dim)" },
  { tag: tags.punctuation, color: "var(--dim)" },
]));
