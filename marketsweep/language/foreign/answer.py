"""Find other tools' words in a text that does not parse, and say what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from marketsweep.language.foreign.functions import METHODS, NAMESPACES
from marketsweep.language.foreign.words import FUNCTIONS, LONGEST, Row, numbered, row_of
from marketsweep.language.indicators.table import find_indicator
from marketsweep.language.parsing.lexer import LINE_END, PLACEHOLDER, Token, text_of
from marketsweep.language.tree import Span
from marketsweep.language.vocabulary import CALLS, WORDS

_LONGEST_QUOTE: Final = 40
_MOST_NESTING: Final = 8

CanParse = Callable[[str], bool]
"""Returns whether a text is an expression of the language."""


class Answer(NamedTuple):
    """What to write instead of other tools' words, and where these stand."""

    message: str
    span: Span
    text: str
    """What may stand in place of the words; empty if nothing says the same."""


class _Match(NamedTuple):
    """Other tools' words among the tokens: from `start` up to `end`."""

    start: int
    end: int
    row: Row


def answer_at(
    tokens: Sequence[Token], at: int, can_parse: CanParse, *, is_name: bool
) -> Answer | None:
    """Return the answer to other tools' words around a token; None if there are none.

    `is_name` says that the token is a name without a meaning. Otherwise the token is one that
    cannot stand there, and only phrases and operators are looked up: the word may be part of one.
    """
    phrase = _phrase_around(tokens, at, is_name=is_name)
    if phrase:
        return _answer(tokens, phrase, can_parse)
    match = _Reader(tokens, can_parse).match(at) if is_name else _method_at(tokens, at, can_parse)
    if match:
        return _answer(tokens, match, can_parse)
    return _ticker_as_price(tokens, at) if is_name else _thousands(tokens, at)


def _answer(tokens: Sequence[Token], match: _Match, can_parse: CanParse) -> Answer | None:
    start, last = tokens[match.start], tokens[match.end - 1]
    width = last.column + len(last.text) - start.column
    words = "".join(
        (" " if i and token.column > before.column + len(before.text) else "") + token.text
        for i, (before, token) in enumerate(
            zip(
                (start, *tokens[match.start : match.end - 1]),
                tokens[match.start : match.end],
                strict=True,
            )
        )
    )
    if len(words) > _LONGEST_QUOTE:
        words = words[: _LONGEST_QUOTE - 3] + "..."
    row = match.row
    text = row.texts[0] if row.is_operator else _first(row.texts, can_parse)
    if text is None:
        return None
    hint = f"{row.reason}; possible: {text}" if row.reason else f"write {text}"
    message = f"{words!r} has no meaning here: {hint}"
    return Answer(message, Span(start.column, width), "" if row.reason else text)


def _first(texts: Sequence[str], can_parse: CanParse) -> str | None:
    return next((text for text in texts if can_parse(text)), None)


def _phrase_around(tokens: Sequence[Token], at: int, *, is_name: bool) -> _Match | None:
    """Return the longest phrase that covers a token."""
    for length in range(min(LONGEST, at + len(tokens)), 0, -1):
        for start in range(max(0, at - length + 1), at + 1):
            end = start + length
            if end >= len(tokens):  # the last token is the end
                continue
            if length == 1 and is_name:
                return None  # a name is looked up together with its arguments
            if any(token.kind in ("text", LINE_END) for token in tokens[start:end]):
                continue
            row = row_of([token.text.lower() for token in tokens[start:end]])
            is_whole = length > 1 or (row is not None and row.is_operator)
            if row and (is_whole or tokens[start].kind == PLACEHOLDER):
                return _Match(start, end, row)
    return None


class _Reader:
    """Reads tokens as other tools write them, and returns them as the language writes them."""

    def __init__(self, tokens: Sequence[Token], can_parse: CanParse) -> None:
        self._tokens = tokens
        self._can_parse = can_parse
        self._nesting = 0

    def match(self, at: int) -> _Match | None:
        """Return the name, call or phrase of other tools that begins at a token."""
        token = self._tokens[at]
        name = token.text.lower()
        if token.kind != "name":
            return None
        after = self._tokens[at + 1].text
        if name in NAMESPACES and after == "." and self._tokens[at + 2].kind == "name":
            inner = self._own_call(at + 2) or self.match(at + 2)
            return inner and inner._replace(start=at)
        if name in NAMESPACES and after == "[" and self._tokens[at + 2].kind == "text":
            column = text_of(self._tokens[at + 2].text).lower()
            row = Row((column,)) if column in WORDS else row_of([column])
            return row and _Match(at, at + 4, row)
        if name in CALLS and after == "(":
            return None
        if after == "(":
            return self._call(at, name)
        return self._name(at, name)

    def _name(self, at: int, name: str) -> _Match | None:
        row = _name_row(name, self._can_parse)
        if row and not row.reason and self._is_offset(at + 1):
            offset = self._tokens[at + 1].text[1:]  # TC2000's MAXH20.1 is that of the bar before
            texts = tuple(f"{text}[{int(offset)}]" for text in row.texts)
            return _Match(at, at + 2, row._replace(texts=texts))
        return row and _Match(at, at + 1, row)

    def _is_offset(self, at: int) -> bool:
        """Return whether a token is a point and a number right after the one before."""
        before, token = self._tokens[at - 1], self._tokens[at]
        is_adjacent = token.column == before.column + len(before.text)
        return is_adjacent and re.fullmatch(r"\.\d+", token.text) is not None

    def _own_call(self, at: int) -> _Match | None:
        """Return a call of the language's own functions, without the prefix of a library."""
        name = self._tokens[at].text.lower()
        if name not in CALLS:
            return _Match(at, at + 1, Row((name,))) if name in WORDS else None
        if self._tokens[at + 1].text != "(":
            row = find_indicator(name)
            return _Match(at, at + 1, Row((row.signature,))) if row else None
        arguments, end = self.arguments(at + 1)
        text = f"{name}({', '.join(arguments)})"
        example = find_indicator(name)
        texts = (text, *((example.signature,) if example else ()))
        foreign = FUNCTIONS.get(name)
        if foreign:
            texts = (text, *_filled(foreign.texts, arguments), *texts[1:])
        return _Match(at, end, Row(texts))

    def _call(self, at: int, name: str) -> _Match | None:
        arguments, end = self.arguments(at + 1)
        if name in ("mov", "movingaverage") and len(arguments) == 3:
            return _Match(at, end, Row(_moving_average(arguments)))
        row = FUNCTIONS.get(name)
        if row:
            examples = [example_of(text) for text in row.texts]
            return _Match(at, end, Row((*_filled(row.texts, arguments), *examples)))
        row = _name_row(name, self._can_parse)
        return row and _Match(at, end, row)

    def arguments(self, at: int) -> tuple[list[str], int]:
        """Return the arguments in the parenthesis at a token, and the token after it."""
        end = _closing(self._tokens, at)
        parts: list[list[int]] = [[]]
        depth = 0
        for i in range(at + 1, end):
            text = self._tokens[i].text
            depth += (text in ("(", "[")) - (text in (")", "]"))
            if text == "," and depth == 0:
                parts.append([])
            else:
                parts[-1].append(i)
        texts = [self.text(part[0], part[-1] + 1) for part in parts if part]
        return texts, min(end + 1, len(self._tokens) - 1)

    def text(self, start: int, end: int) -> str:
        """Return tokens as a text of the language; words without a row stay as they are."""
        self._nesting += 1
        pieces = []
        i = start
        while i < end:
            match = self.match(i) if self._nesting < _MOST_NESTING else None
            if match and match.end <= end and not match.row.reason:
                pieces.append(_first(match.row.texts, self._can_parse) or self._tokens[i].text)
                i = match.end
            else:
                text = self._tokens[i].text
                pieces.append(text.lower() if text.lower() in WORDS else text)
                i += 1
        self._nesting -= 1
        return _joined(pieces)


def _name_row(name: str, can_parse: CanParse) -> Row | None:
    """Return the row of a name that stands alone and is not an operator."""
    row = row_of([name])
    return row if row and not row.is_operator else numbered(name, can_parse)


def _joined(pieces: Sequence[str]) -> str:
    text = " ".join(pieces)
    text = re.sub(r"(?<=[\w)\]]) (?=[(\[])", "", text)
    text = re.sub(r"(?<=[(\[]) | (?=[)\],])", "", text)
    text = re.sub(r"(?<=\)) \. (?=\w)", ".", text)
    text = re.sub(r"^- (?=\w)", "-", text)
    return re.sub(r"\b(and|or|not)(?=\()", r"\1 ", text)


def _closing(tokens: Sequence[Token], at: int) -> int:
    """Return the token that closes the parenthesis at a token, or the last one."""
    depth = 0
    for i in range(at, len(tokens) - 1):
        depth += (tokens[i].text == "(") - (tokens[i].text == ")")
        if depth == 0:
            return i
    return len(tokens) - 1


class _Argument(str):
    """An argument in a text: `{0:p}` adds parentheses if it needs them, `{0:abs}` drops a minus."""

    def __format__(self, how: str) -> str:
        if how == "abs":
            return self.removeprefix("-").strip()
        if how == "p" and not re.fullmatch(r"[\w.]+(\([^()]*\))?(\.\w+)?(\[\d+\])?", self):
            return f"({self})"
        return str(self)


def _filled(texts: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Return the texts with the arguments of a call; those that need more of them are left out."""
    wrapped = [_Argument(argument) for argument in arguments]
    filled = []
    for text in texts:
        needed = {int(number) for number in re.findall(r"\{(\d)", text)}
        if not needed or max(needed) < len(wrapped):
            filled.append(text.format(*wrapped))
    return filled


def example_of(text: str) -> str:
    """Return a text with arguments of its own, for a call whose arguments do not fit."""
    if "crosses" in text:
        return text.format("close", "sma(50)")
    if text.startswith(("if(", "{0:p} within", "{0:p} for", "count(", "bars_since(", "streak")):
        return text.format(_Argument("close > open"), _Argument("5"), "0")
    if text.startswith("value_when"):
        return "value_when(high == highest(high, 20), close)"
    return text.format(_Argument("close"), _Argument("20"), _Argument("2"))


def _moving_average(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return MetaStock's `mov(c, 50, s)`, or thinkorswim's call with the type first."""
    kinds = {"e": "ema", "w": "wma", "s": "sma", "simple": "sma", "exponential": "ema"}
    series, bars, kind = arguments
    if kind.lower() in kinds:
        return (f"{kinds[kind.lower()]}({series}, {bars})", "sma(close, 50)")
    if arguments[0].lower() in WORDS:  # MetaStock's order, and its variable average
        return (f"kama({series}, {bars})", "kama(close, 30)")
    series, bars, kind = arguments[1], arguments[2], arguments[0].rpartition(".")[2].strip()
    return (f"{kinds.get(kind.lower(), 'sma')}({series}, {bars})", "sma(close, 50)")


def _method_at(tokens: Sequence[Token], at: int, can_parse: CanParse) -> _Match | None:
    """Return a method of a series in pandas, such as `close.shift(1)`, at its point."""
    if at == 0 or tokens[at].text != "." or tokens[at - 1].kind not in ("name", "operator"):
        return None
    name, arguments, end = _method(tokens, at, can_parse)
    if end < len(tokens) - 2 and tokens[end].text == ".":  # rolling(20).mean()
        second, _, second_end = _method(tokens, end, can_parse)
        if f"{name}.{second}" in METHODS:
            name, end = f"{name}.{second}", second_end
    texts = METHODS.get(name)
    if texts is None:
        return None
    start = _operand_start(tokens, at)
    series = _Reader(tokens, can_parse).text(start, at)
    filled = _filled(texts, [series, *arguments])
    return _Match(start, end, Row((*filled, *map(example_of, texts))))


def _operand_start(tokens: Sequence[Token], at: int) -> int:
    """Return the first token of the name, call or parenthesis that ends before a token."""
    depth = 0
    for i in range(at - 1, -1, -1):
        depth += (tokens[i].text == ")") - (tokens[i].text == "(")
        if depth == 0:
            is_call = tokens[i].text == "(" and i > 0 and tokens[i - 1].kind == "name"
            return i - is_call
    return at - 1


def _method(
    tokens: Sequence[Token], at: int, can_parse: CanParse
) -> tuple[str, Sequence[str], int]:
    """Return the name and arguments of the method at a point, and the token after it."""
    name = tokens[at + 1].text.lower()
    if tokens[min(at + 2, len(tokens) - 1)].text != "(":
        return name, (), at + 2
    arguments, end = _Reader(tokens, can_parse).arguments(at + 2)
    return name, [argument.rpartition("=")[2].strip() for argument in arguments], end


def _ticker_as_price(tokens: Sequence[Token], at: int) -> Answer | None:
    """Return the answer to a ticker in place of a price."""
    token = tokens[at]
    if token.word in WORDS or tokens[at + 1].text == "(":
        return None
    if token.text.isupper() and token.text.isalpha() and 2 <= len(token.text) <= 5:
        text = f'symbol("{token.text}").close'
        message = (
            f"{token.text!r} has no meaning here: write {text} for the price of another symbol"
        )
        return Answer(message, token.span, text)
    return None


def _thousands(tokens: Sequence[Token], at: int) -> Answer | None:
    """Return the answer to a number with commas, such as `1,000,000`, at its first comma."""
    if tokens[at].text != "," or at == 0 or not tokens[at - 1].text.isdigit():
        return None
    groups = [tokens[at - 1].text]
    end = at
    while tokens[end].text == "," and re.fullmatch(r"\d{3}", tokens[end + 1].text):
        groups.append(tokens[end + 1].text)
        end += 2
    if len(groups) == 1:
        return None
    start, last = tokens[at - 1], tokens[end - 1]
    written, text = ",".join(groups), "".join(groups)
    message = f"{written!r} is not a number here: write {text}"
    return Answer(message, Span(start.column, last.column + len(last.text) - start.column), text)
