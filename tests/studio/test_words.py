"""Every text of the page exists in both languages, and the page names no recipe and no condition kind."""

from __future__ import annotations

import re
from pathlib import Path

from gesso import recipes
from gesso.studio import PAGE, sample_folder, samples

ROW = re.compile(r'^  (\w+): \[\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)",?\s*\],$', re.M | re.S)
HANGUL = re.compile(r"[가-힣]")
SAME = {"said_at", "edit_added", "edit_named", "edit_setting", "language"}  # only placeholders, or deliberately in the other language


def sources() -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in PAGE.rglob("*.js")}


def table(name: str) -> dict[str, tuple[str, str]]:
    text = (PAGE / name).read_text("utf-8")
    rows = {key: (en, ko) for key, en, ko in ROW.findall(text)}
    assert len(rows) == len(re.findall(r"^  \w+: \[", text, re.M)), "a row that this test cannot read"
    return rows


def test_both_languages_are_complete() -> None:
    for key, (en, ko) in table("words/table.js").items():
        assert en.strip() and ko.strip(), key
        assert set(re.findall(r"\{(\w+)\}", en)) == set(re.findall(r"\{(\w+)\}", ko)), key
        if key not in SAME:
            assert HANGUL.search(ko), f"{key} is not Korean: {ko}"
            assert not HANGUL.search(en), f"{key} is not English: {en}"
        if en.startswith("No recipe"):
            assert "레시피" in ko, key


def test_every_text_used_exists_and_every_text_is_used() -> None:
    text = "\n".join(sources().values())
    asked = set(re.findall(r'\bw\(\s*"(\w+)"', text))
    asked |= {key for pair in re.findall(r'\bw\((?!")[^\n;]{0,60}?\? "(\w+)" : "(\w+)"', text) for key in pair}
    known = set(table("words/table.js"))
    assert asked <= known, asked - known
    made = tuple(re.findall(r"\bw\(`(\w+?)\$", text))  # w(`guide_${step}`)
    idle = {key for key in known - asked if not key.startswith(made)}
    assert not idle, f"unused: {idle}"


def test_all_korean_texts_are_in_the_table() -> None:
    for path, text in sources().items():
        if path.name not in ("table.js", "main.js"):
            assert not HANGUL.search(text), path


def test_the_page_names_no_recipe_and_no_kind_but_only_tools() -> None:
    found = [recipes.find(name).card for name in recipes.names()]
    kinds = {slot.kind.kind for card in found for slot in card.conditions}
    tools = {slot.control()["tool"] for card in found for slot in card.conditions}
    names = {card.name for card in found} | (kinds - tools)
    for path, text in sources().items():
        quoted = set(re.findall(r'"(\w+)"', text))
        assert not (quoted & names) - {"style", "key"}, (path, quoted & names)  # both are properties in the page


def test_files_are_short_and_come_from_here() -> None:
    for path in (*PAGE.rglob("*.js"), *PAGE.rglob("*.css"), *PAGE.rglob("*.html")):
        text = path.read_text("utf-8")
        assert text.count("\n") <= 400, path
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
        assert " style=" not in text and "onclick=" not in text, path


def test_samples_have_titles_in_both_languages() -> None:
    listed = samples(sample_folder())
    assert len(listed) >= 8
    assert all(set(one["title"]) >= {"en", "ko"} for one in listed)
    assert samples(None) == []
