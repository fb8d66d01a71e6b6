"""MkDocs hooks of the documentation site: recipe pages from the cards, and links from docs/ to the rest of the repository.

Pages of the repository's root (README.md, ARCHITECTURE.md, …) become pages of the site; other files that a page links to are copied
into it. A link to a file that does not exist is left as it is, so that the strict build fails.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]  # the cards of this checkout, and recipe_page

import recipe_page  # noqa: E402

DOCS = ROOT / "docs"
ROOT_PAGES = {  # in the repository's root: in the site
    "README.md": "index.md",
    "README.ko.md": "index.ko.md",
    **{name: name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")},
}
LINK = re.compile(r"(?<=\]\()([^)#\s]+)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """Fill the recipes' part of the navigation."""
    made = sorted(recipe_page.pages(shipped()))
    english = [f"recipes/{name}" for name in made if not name.endswith(".ko.md") and name != "index.md"]
    korean = [f"recipes/{name}" for name in made if name.endswith(".ko.md") and not name.startswith("list.")]
    for entry in config.nav:
        if "Recipes" in entry:
            entry["Recipes"] = ["recipes/index.md", *english]
        if "한국어" in entry:
            entry["한국어"] = [*entry["한국어"], {"레시피": ["recipes/list.ko.md", *korean]}]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add recipe pages, the pages of the root, and files that pages link to."""
    for name, text in recipe_page.pages(shipped()).items():
        files.append(File.generated(config, f"recipes/{name}", content=text))
    for name, place in ROOT_PAGES.items():
        files.append(File.generated(config, place, content=(ROOT / name).read_text("utf-8")))
    pages = [*DOCS.rglob("*.md"), *(ROOT / name for name in ROOT_PAGES)]
    for target in sorted({path for page in pages for path in linked(page) if is_copied(path)}):
        name = copied_name(target)
        files.append(File.generated(config, name, abs_src_path=str(target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links at the places that their targets have in the site."""
    source = page.file.src_uri
    if source.startswith("recipes/"):
        return markdown
    from_root = {place: name for name, place in ROOT_PAGES.items()}
    place = ROOT / from_root[source] if source in from_root else DOCS / source

    def moved(found: re.Match[str]) -> str:
        target = (place.parent / found[1]).resolve()
        if "://" in found[1] or not target.is_file():
            return found[0]
        return site_name(target) + (found[2] or "")

    parts, last = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(moved, markdown[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*parts, LINK.sub(moved, markdown[last:])])


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Korean pages say that they are Korean."""
    return output.replace('<html lang="en"', '<html lang="ko"', 1) if page.file.src_uri.endswith(".ko.md") else output


def shipped() -> Path:
    return ROOT / "src" / "gesso" / "weights" / "shipped"


def linked(page: Path) -> set[Path]:
    """Files of the repository that a page links to."""
    found = {(page.parent / link[1]).resolve() for link in LINK.finditer(page.read_text("utf-8")) if "://" not in link[1]}
    return {path for path in found if path.is_file() and path.is_relative_to(ROOT)}


def is_copied(path: Path) -> bool:
    """It is neither in docs/ nor a page of the site."""
    return not path.is_relative_to(DOCS) and path.relative_to(ROOT).as_posix() not in ROOT_PAGES


def copied_name(path: Path) -> str:
    """Where a file of the repository lies in the site. Markdown becomes text, or it would be a page of its own."""
    name = "files/" + path.relative_to(ROOT).as_posix()
    return name + ".txt" if path.suffix in (".md", "") else name


def site_name(target: Path) -> str:
    """The source name of a link's target, from the top of the site."""
    if target.is_relative_to(DOCS):
        return target.relative_to(DOCS).as_posix()
    return ROOT_PAGES.get(target.relative_to(ROOT).as_posix()) or copied_name(target)
