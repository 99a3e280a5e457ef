// The parts of CodeMirror 6 that the condition editor uses; BUNDLE.md has the command.
export { EditorState, StateEffect, StateField } from "@codemirror/state";
export {
  Decoration, drawSelection, EditorView, keymap, placeholder, tooltips,
} from "@codemirror/view";
export { defaultKeymap, history, historyKeymap, insertNewline } from "@codemirror/commands";
export {
  acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion,
  completionKeymap, completionStatus, moveCompletionSelection, selectedCompletion,
  snippet, startCompletion,
} from "@codemirror/autocomplete";
export {
  bracketMatching, HighlightStyle, StreamLanguage, syntaxHighlighting,
} from "@codemirror/language";
export { tags } from "@lezer/highlight";
