"""The documentation site builds without a warning, has a page for each recipe, and loads nothing from the net."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gesso import recipes

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("docs", "tools", "src", "examples", "mkdocs.yml", "LICENSE", *(page.name for page in ROOT.glob("*.md")))
LOADS = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")
pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("mkdocs") and importlib.util.find_spec("material")),
    reason="mkdocs-material is not installed: the documentation site is not built (pip install '.[docs]')",
)


def build(checkout: Path, site: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    made = build(ROOT, folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def test_each_recipe_has_a_page_in_both_languages(site: Path):
    for name in recipes.names():
        card = recipes.find(name).card
        for language, file in (("en", f"{name}.html"), ("ko", f"{name}.ko.html")):
            page = (site / "recipes" / file).read_text("utf-8")
            assert f'<html lang="{language}"' in page
            assert card.title[language] in page
            for named in [*card.conditions, *card.outputs]:
                assert f"<code>{named.name}</code>" in page, f"{file} does not list {named.name}"
            for setting in card.settings.model_fields:
                assert f"<code>{setting}</code>" in page, f"{file} does not list {setting}"


def test_pages_load_nothing_from_other_hosts(site: Path):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    assert {page.name: found for page in pages if (found := LOADS.findall(page.read_text("utf-8")))} == {}
    styles = [
        path.name for path in site.rglob("*.css") if re.search(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", path.read_text("utf-8"))
    ]
    assert not styles


def test_files_outside_of_docs_are_in_the_site(site: Path):
    """Pages link to the licence and to examples, which mkdocs does not see by itself."""
    assert (site / "files" / "LICENSE.txt").is_file()
    assert (site / "files" / "examples" / "my_recipe.py").is_file()
    assert 'href="files/LICENSE.txt"' in (site / "index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        ("README.md", "[gone](docs/gone.md)", "gone.md"),
        pytest.param("docs/studio.md", "[gone](gone.md)", "gone.md", marks=pytest.mark.slow),
        pytest.param("docs/studio.md", "[no such part](training.md#no-such-part)", "no-such-part", marks=pytest.mark.slow),
        pytest.param("docs/unlisted.md", "# A page that the navigation does not list", "unlisted.md", marks=pytest.mark.slow),
    ],
)
def test_a_broken_link_fails_the_build(tmp_path: Path, file: str, line: str, found: str):
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / file).open("a", encoding="utf-8") as page:
        page.write(f"\n{line}\n")
    made = build(tmp_path, tmp_path / "built")
    assert made.returncode != 0 and found in made.stdout + made.stderr
