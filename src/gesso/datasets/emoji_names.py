"""Unicode's names and keywords of emoji in many languages: the annotations of the Common Locale Data Repository (CLDR), as JSON.

A folder holds the files annotations.json of the languages that are wanted, as the packages cldr-annotations-full and
cldr-annotations-derived-full of github.com/unicode-org/cldr-json have them (Unicode License V3), under any names. English is what
pictures without code points are matched by, so it belongs among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gesso.errors import GessoError
from gesso.media.file import read_json
from gesso.media.subwords import plain_words

ROOTS = ("annotations", "annotationsDerived")
PRESENTATION = "\ufe0f"  # says how an emoji looks, and is left out of CLDR's keys
MAX_FILES = 200

Named = tuple[str, tuple[str, ...]]  # a name and keywords


@dataclass
class EmojiNames:
    """Names and keywords by language and emoji, and emoji by their English name."""

    by_language: dict[str, dict[str, Named]] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)

    def of(self, code_points: str, english: str = "") -> dict[str, Named]:
        """What an emoji is called, by language: found by code points such as "1F473-1F3FC", or else by its English name."""
        try:
            letters = "".join(chr(int(code, 16)) for code in code_points.split("-")) if code_points else ""
        except (ValueError, OverflowError):
            letters = ""
        letters = letters.replace(PRESENTATION, "")
        if not any(letters in names for names in self.by_language.values()):
            letters = self.by_name.get(" ".join(plain_words(english)), "")
        return {language: names[letters] for language, names in self.by_language.items() if letters in names}


def emoji_names(folder: Path) -> EmojiNames:
    """The names in the files of a folder. GessoError for a file that is not CLDR's."""
    found = EmojiNames()
    for file in sorted(folder.rglob("*.json"))[:MAX_FILES]:
        language, names = _read(file)
        found.by_language.setdefault(language, {}).update(names)
    for letters, (name, _) in found.by_language.get("en", {}).items():
        found.by_name.setdefault(" ".join(plain_words(name)), letters)
    return found


def _read(file: Path) -> tuple[str, dict[str, Named]]:
    whole: Any = read_json(file)
    inner: Any = next((whole[root] for root in ROOTS if isinstance(whole, Mapping) and root in whole), None)
    try:
        language = str(inner["identity"]["language"])
        names = {
            letters.replace(PRESENTATION, ""): (str(one["tts"][0]), tuple(map(str, one.get("default", ()))))
            for letters, one in inner["annotations"].items()
            if one.get("tts")
        }
    except (TypeError, KeyError, IndexError, AttributeError):
        raise GessoError("is not a file of CLDR's annotations", where=file, fix="annotations.json as cldr-json has it") from None
    return language, names
