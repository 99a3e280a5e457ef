// An editor for a condition or an expression: CodeMirror in a shadow root.
// In a shadow root, CodeMirror adds its styles as constructed style sheets, which the page's policy permits.
import {
  autocompletion, bracketMatching, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap,
  completionStatus, acceptCompletion, Decoration, defaultKeymap, drawSelection, EditorState, EditorView, history,
  historyKeymap, insertNewline, keymap, moveCompletionSelection, placeholder, selectedCompletion, StateEffect,
  StateField, tooltips,
} from "/page/vendor/codemirror.js";
import { colours, language, words } from "/page/js/condition/language.js";

const setFault = StateEffect.define();
const setHues = StateEffect.define();

const faults = StateField.define({
  create: () => Decoration.none,
  update(marks, transaction) {
    if (transaction.docChanged) marks = Decoration.none;
    for (const effect of transaction.effects) {
      if (!effect.is(setFault)) continue;
      const end = transaction.newDoc.length;
      if (!effect.value) { marks = Decoration.none; continue; }
      let { from, to } = effect.value;
      from = Math.min(from, end);
      to = Math.min(Math.max(to, from), end);
      if (from === to) from = Math.max(0, from - 1); // the end of the text: its last character
      marks = from < to ? Decoration.set([Decoration.mark({ class: "fault" }).range(from, to)]) : Decoration.none;
    }
    return marks;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** Finds `expression` in a text, whatever the case and the spaces. */
function pattern(expression) {
  const parts = expression.match(/\w+|[^\s\w]/g) ?? [];
  const text = parts.map((one) => one.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")).join("\\s*");
  return new RegExp(`(?<![\\w.])${text}(?![\\w(])`, "gi");
}

function hueMarks(text, hues) {
  const found = [];
  for (const [expression, hue] of hues) {
    if (!/\W/.test(expression)) continue; // a bare field is not worth a colour
    for (const match of text.matchAll(pattern(expression)))
      found.push([match.index, match.index + match[0].length, hue]);
  }
  found.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const marks = [];
  let end = 0;
  for (const [from, to, hue] of found) {
    if (from < end) continue;
    marks.push(Decoration.mark({ class: `hue-${hue % 6}` }).range(from, to));
    end = to;
  }
  return Decoration.set(marks);
}

const hueField = StateField.define({
  create: () => ({ hues: [], marks: Decoration.none }),
  update(value, transaction) {
    let hues = value.hues;
    for (const effect of transaction.effects) if (effect.is(setHues)) hues = effect.value;
    if (hues === value.hues && !transaction.docChanged) return value;
    return { hues, marks: hueMarks(transaction.newDoc.toString(), hues) };
  },
  provide: (field) => EditorView.decorations.from(field, (value) => value.marks),
});

const hueRules = Object.fromEntries(
  [0, 1, 2, 3, 4, 5].map((hue) => [`.hue-${hue}, .hue-${hue} *`, { color: `var(--line-${hue}) !important` }]));

const theme = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "transparent", fontSize: "inherit" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", maxHeight: "var(--editor-height, none)", overflow: "auto" },
  ".cm-content": { padding: "0 0 5px", caretColor: "var(--text)" },
  ".cm-line": { padding: "0" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--selection) !important",
  },
  ".cm-placeholder": { color: "var(--dim)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--selection)" },
  ".fault": {
    textDecoration: "underline wavy var(--down)", textDecorationSkipInk: "none", textUnderlineOffset: "4px",
  },
  ".cm-tooltip": {
    border: "1px solid var(--edge)", backgroundColor: "var(--raised)", color: "var(--text)", zIndex: "30",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "13px", maxHeight: "264px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 8px", display: "flex", gap: "12px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    background: "var(--chosen) !important", color: "var(--text) !important",
  },
  ".cm-completionMatchedText": { textDecoration: "none", color: "var(--accent-text)", fontWeight: "600" },
  ".cm-completionDetail": { marginLeft: "auto", fontStyle: "normal", color: "var(--dim)" },
  ".cm-completionInfo": { padding: "8px 12px", maxWidth: "320px", font: "13px/1.45 var(--sans)" },
  ".cm-completionInfo code": { display: "block", fontFamily: "var(--mono)", color: "var(--accent-text)" },
  ".cm-completionInfo p": { margin: "4px 0 0" },
  ".cm-completionInfo small": { color: "var(--dim)", fontSize: "12px" },
  ...hueRules,
});

/** Takes the chosen completion, or the first one. */
function take(view) {
  if (!selectedCompletion(view.state)) moveCompletionSelection(true)(view);
  return acceptCompletion(view);
}

export function createEditor(host, { text = "", label, hint, single = false, complete, changed, run, left }) {
  const root = host.attachShadow({ mode: "open", delegatesFocus: true });
  // Enter takes the chosen completion, unless the word is complete as it is: then it runs.
  let moved = false;
  const move = (forward) => (view) => {
    moved = completionStatus(view.state) === "active";
    return moveCompletionSelection(forward)(view);
  };
  const enter = (view) => {
    if (completionStatus(view.state) === "active" && selectedCompletion(view.state)) {
      const before = view.state.sliceDoc(0, view.state.selection.main.head);
      const word = before.match(/(?<![\w.])[A-Za-z_]\w*$/)?.[0].toLowerCase();
      const begins = word && selectedCompletion(view.state).label.toLowerCase().startsWith(word);
      if (moved || (begins && !words.known.has(word))) return acceptCompletion(view);
    }
    closeCompletion(view);
    run?.(view.state.doc.toString());
    return true;
  };
  // Who types fast presses Tab before the completions are there: they are taken as soon as they are.
  let owed = false;
  const tab = (view) => {
    const status = completionStatus(view.state);
    owed = status === "pending";
    return status === "active" ? take(view) : owed;
  };
  let quiet = false;
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        history(), drawSelection(), bracketMatching(), closeBrackets(), language, colours, theme, faults, hueField,
        single ? EditorState.transactionFilter.of((one) => (one.newDoc.lines > 1 ? [] : one)) : EditorView.lineWrapping,
        placeholder(hint),
        tooltips({ position: "fixed" }),
        autocompletion({
          override: complete ? [complete] : [], icons: false, defaultKeymap: false,
          activateOnTypingDelay: 30, interactionDelay: 0, maxRenderedOptions: 60,
        }),
        EditorView.contentAttributes.of({
          "aria-label": label, autocapitalize: "off", autocorrect: "off", spellcheck: "false", enterkeyhint: "go",
          "aria-multiline": String(!single),
        }),
        keymap.of([
          { key: "/", run: ({ state }) => state.doc.length === 0 }, // no text begins with it: it was meant as the key
          { key: "Tab", run: tab },
          { key: "Enter", run: enter, shift: single ? enter : insertNewline },
          { key: "Mod-Enter", run: enter },
          { key: "ArrowDown", run: move(true) },
          { key: "ArrowUp", run: move(false) },
          ...completionKeymap.filter(({ key }) => !["Enter", "ArrowDown", "ArrowUp"].includes(key)),
          { key: "Escape", run: () => { left?.(); return Boolean(left); } },
          ...closeBracketsKeymap, ...historyKeymap, ...defaultKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) moved = owed = false;
          if (owed && completionStatus(update.state) !== "pending") {
            owed = false;
            // A view must not change while it updates.
            if (completionStatus(update.state) === "active") queueMicrotask(() => take(update.view));
          }
          if (update.docChanged && !quiet) changed?.(update.state.doc.toString());
        }),
      ],
    }),
  });
  host.addEventListener("mousedown", (event) => {
    if (event.composedPath()[0] === host) { event.preventDefault(); view.focus(); }
  });
  return {
    view,
    get text() { return view.state.doc.toString(); },
    /** Sets the text, without a call of `changed`. */
    set text(wanted) {
      if (wanted === view.state.doc.toString()) return;
      quiet = true;
      view.dispatch({
        changes: { from: 0, to: view.state.doc.length, insert: wanted }, selection: { anchor: wanted.length },
      });
      quiet = false;
    },
    replace(from, to, insert) {
      view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length } });
      view.focus();
    },
    fault(from, to) { view.dispatch({ effects: setFault.of(from == null ? null : { from, to }) }); },
    hues(map) { view.dispatch({ effects: setHues.of([...map]) }); },
    focus() {
      view.focus();
      view.dispatch({ selection: { anchor: view.state.doc.length } });
    },
  };
}
