"""A real Chromium with a real server; tests are skipped, with the reason, if either is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flats_sheet import Sheet
from visits import Visit, serving

HERE = Path(__file__).parent
RECIPES = [HERE / "toy_recipe.py", HERE / "flats_recipe.py", HERE / "likes_recipe.py", HERE.parents[1] / "examples" / "my_recipe.py"]
CHROMIUM = os.environ.get("GESSO_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# An attacker's host name that resolves to this machine, for test_hostile_page.
ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.2"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page is not tried")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: the page is not tried")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The studio with the toy recipe, on a port of its own, in a thread."""
    with serving(tmp_path_factory.mktemp("home"), RECIPES) as made:
        yield made


@pytest.fixture
def visit(app: Any, browser: Any) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    context.add_init_script("localStorage.getItem('gesso.guided') ?? localStorage.setItem('gesso.guided', '1')")
    visit = Visit(context.new_page())
    visit.page.goto(app.state.services.access.link("me"))
    visit.page.locator("[data-sample]").first.wait_for()
    yield visit
    context.close()


@pytest.fixture
def sheet(visit: Any, app: Any) -> Iterator[Sheet]:
    made = Sheet(visit, app)
    yield made
    assert visit.complaints == []
    made.store.delete("me", made.id)  # the server is shared by all tests
    with app.state.services.database.writing() as rows:
        rows.execute("delete from palettes")
