"""Commands in the documentation exist, links lead to files, and each Korean page has the structure of its English twin."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "README.ko.md", "CONTRIBUTING.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md"))]
TWINS = [(page.replace(".ko.md", ".md"), page) for page in PAGES if page.endswith(".ko.md")]
MOST_WORDS = 700
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(gesso [^`]+|make [a-z-]+[^`]*)`")


def blocks(page: str, *languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall((ROOT / page).read_text("utf-8")) if language in languages]


def commands(page: str) -> list[list[str]]:
    """Every shell line of the page, its comment and its folder of programs gone, split into words."""
    lines = [line for body in blocks(page, "sh", "bat") for line in body.replace("\\\n", " ").splitlines()]
    lines += INLINE.findall((ROOT / page).read_text("utf-8"))
    words = [shlex.split(line.replace("\\", "/"), comments=True) for line in lines if "…" not in line]
    return [[w[0].rsplit("/", 1)[-1], *w[1:]] for w in words if w]


ALL = [(page, words) for page in PAGES for words in commands(page)]
GESSO = sorted({tuple(words) for _, words in ALL if words[0] == "gesso" and len(words) > 1})
MAKE = sorted({words[1] for _, words in ALL if words[0] == "make" and len(words) > 1})


@cache
def help_of(*words: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from gesso.cli import main; sys.exit(main())", *words, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=None,
    )
    assert run.returncode == 0, f"gesso {' '.join(words)} --help: {run.stderr or run.stdout}"
    return run.stdout


def test_there_are_commands_to_check():
    assert len(GESSO) >= 8 and {"demo", "test", "check"} <= set(MAKE)


@pytest.mark.parametrize("target", MAKE)
def test_make_has_the_target(target: str):
    assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("words", GESSO, ids=" ".join)
def test_the_verb_and_its_flags_exist(words: tuple[str, ...]):
    verb = words[1]
    if verb.startswith("-"):
        return
    assert re.search(rf"\b{verb}\b", help_of()), f"gesso has no verb {verb}"
    recipe = [words[2]] if verb in ("generate", "fit") and len(words) > 2 and not words[2].startswith("-") else []
    if recipe and not recipe[0].endswith(".py") and recipe[0] not in known():
        return  # a recipe that the reader is about to write
    page = re.sub(r"\s+", " ", help_of(verb, *recipe))
    if "--[KEYWORD]" in page:  # a measure has options of its own
        from gesso.metrics import colour, reliability

        page += " ".join(f"--{name}" for name in (*colour.OPTIONS, *reliability.OPTIONS, "num"))
        if len(words) > 2 and words[2] in known():  # a measure's docstring names its options
            from gesso import recipes

            told = " ".join(one.__doc__ or "" for one in recipes.find(words[2]).measures.values())
            page += " ".join(f" --{name}" for name in re.findall(r"`(\w+)`", told))
    for flag in (w.split("=")[0] for w in words[2:] if w.startswith("--") and w != "--help"):
        assert flag in page or flag.replace("_", "-") in page, f"{flag} is not in the help of gesso {verb} {' '.join(recipe)}"


def known() -> list[str]:
    from gesso import recipes

    return recipes.names()


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str):
    text = (ROOT / page).read_text("utf-8")
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [link for link in linked if not ((ROOT / page).parent / link).exists()]
    missing += [w for p, words in ALL if p == page for w in words if w.startswith(("examples/", "./examples/")) and not (ROOT / w).exists()]
    assert not missing


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_python_blocks_use_what_there_is(page: str):
    import gesso

    found = blocks(page, "python")
    assert found
    for body in found:
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gesso":
                assert hasattr(gesso, node.attr), f"gesso.{node.attr}"


def test_the_readme_is_short():
    """Counted: prose, headings, lists and tables, inline code too. Not counted: fenced code and the targets of links."""
    text = BLOCK.sub("", (ROOT / "README.md").read_text("utf-8"))
    text = re.sub(r"\]\([^)]*\)", "]", text)
    words = [word for word in re.split(r"[\s|]+", text) if re.search(r"\w", word)]
    assert len(words) <= MOST_WORDS


def test_the_tour_has_about_twenty_lines():
    lines = [line for body in blocks("README.md", "sh", "python")[1:] for line in body.splitlines() if line]
    assert 15 <= len(lines) <= 22


def test_there_are_korean_pages():
    assert {korean for _, korean in TWINS} >= {"README.ko.md", "docs/results.ko.md", "docs/limits.ko.md", "docs/licences.ko.md"}


@pytest.mark.parametrize(("english", "korean"), TWINS)
def test_the_korean_page_has_the_same_commands_and_code(english: str, korean: str):
    def bare(page: str) -> list[str]:
        return [re.sub(r"\s*#( .*)?$", "", line) for body in blocks(page, "sh", "bat", "python") for line in body.splitlines()]

    assert bare(english) == bare(korean)


@pytest.mark.parametrize(("english", "korean"), TWINS)
def test_the_two_pages_have_the_same_parts(english: str, korean: str):
    """Headings, list items, pictures, figures, and tables with as many rows and columns."""

    def parts(page: str) -> list[str]:
        text = re.sub(r"^\|[-|]+\|$", "", BLOCK.sub("", (ROOT / page).read_text("utf-8")), flags=re.MULTILINE)
        lines = re.findall(r"^#+(?= )|^<!-- /?figures:\w+ -->|^!\[|^- |^\d\. |^\|.*\|$", text, re.MULTILINE)
        return [f"{line.count('|')} bars" if line.startswith("|") else line for line in lines]

    assert parts(english) == parts(korean)


@pytest.mark.slow
def test_the_python_example_runs(tmp_path: Path):
    """In a folder of its own, with nothing beside it but the example drawings."""
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    (tmp_path / "readme.py").write_text("\n".join(blocks("README.md", "python")), "utf-8")
    run = subprocess.run([sys.executable, "readme.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "fox.png").stat().st_size > 1000


def test_the_hints_of_the_example_lie_on_the_drawing_and_colour_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hint beside the fox leaves it white, which looks as if nothing worked."""
    import numpy as np
    from PIL import Image

    from gesso.cli import main

    words = next(line.split() for body in blocks("README.md", "sh") for line in body.splitlines() if "--hints" in line)
    monkeypatch.chdir(ROOT)
    out = tmp_path / "fox.png"
    assert main([*words[1:-1], str(out)]) == 0
    made = np.asarray(Image.open(out).convert("RGB"))
    for flag, hint in zip(words, words[1:], strict=False):
        if flag == "--hints":
            x, y = (int(number) for number in hint.split(",")[:2])
            assert (made == made[y, x]).all(-1).mean() > 0.02, f"{hint} colours next to nothing"
