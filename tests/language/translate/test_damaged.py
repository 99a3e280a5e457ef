"""Damaged filters give a UsageError or a condition that parses, and nothing else, soon."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator

import pytest

from marketsweep.errors import UsageError
from marketsweep.language.parsing.parser import parse
from marketsweep.language.translate.translate import LANGUAGES, translate
from tests.language.translate.test_chartink import CLAUSES
from tests.language.translate.test_finviz import SCREENS
from tests.language.translate.test_pine import SCRIPTS
from tests.language.translate.test_thinkscript import SCANS

TEXTS = {
    "thinkscript": [text for text, _ in SCANS.values()],
    "pine": [text for text, _ in SCRIPTS.values()],
    "chartink": [text for text, _ in CLAUSES.values()],
    "finviz": [text for text, _ in SCREENS.values()],
}
ALPHABET = "abcxyz0123456789.,;:()[]{}<>=!?+-*/% \"'#&|_\n\\éKMB$@"


def damaged(texts: list[str], count: int) -> Iterator[str]:
    chance = random.Random(7)
    for _ in range(count):
        text = list(chance.choice(texts))
        for _ in range(chance.randint(1, 6)):
            start = chance.randrange(len(text))
            text[start : start + chance.randint(0, 12)] = chance.choices(
                ALPHABET, k=chance.randint(0, 3)
            )
            text = text or ["("]
        yield "".join(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_damaged_filters_fail_cleanly_and_soon(language: str) -> None:
    for text in damaged(TEXTS[language], 1000):
        started = time.process_time()
        with contextlib.suppress(UsageError):
            assert parse(translate(text, language).condition)
        assert time.process_time() - started < 1, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_filters_of_other_languages_fail_cleanly(language: str) -> None:
    for texts in TEXTS.values():
        for text in texts:
            with contextlib.suppress(UsageError):
                translate(text, language)
