"""The page's modules keep their layers: a folder imports only from folders below it, no imports form a cycle, and every name exists."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath

from gesso.studio import PAGE

# High to low: a module imports from its own folder and from folders below it. `widgets` and `input` do not import each other.
LAYERS = (
    ("main.js",),
    ("panels",),
    ("widgets", "input"),
    ("viewers",),
    ("canvas",),
    ("session",),
    ("live",),
    ("server",),
    ("ui",),
    ("words",),
)
NOT_SCRIPTS = {"index.html", "icon.svg", "styles"}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
IMPORT = re.compile(r'^(?:import|export)\b([^;"]*?)\s*(?:\bfrom\s+)?"([^"]+)";', re.M)
DYNAMIC = re.compile(r'(?<!\{)\bimport\("')  # import("…") in a type, {import("…").Name}, loads nothing
TYPE = re.compile(r'\bimport\("([^"]+)"\)\.(\w+)')
NAMED = re.compile(r"^export (?:async )?(?:function\*?|const|let|class) (\w+)|^/\*\* @typedef \{.*\} (\w+) ?\*/", re.M)


def modules(page: Path) -> dict[str, str]:
    return {path.relative_to(page).as_posix(): path.read_text("utf-8") for path in sorted(page.rglob("*.js"))}


def target(module: str, address: str) -> str:
    return normpath(str(PurePosixPath(module).parent / address))


def imports(texts: dict[str, str]) -> dict[str, dict[str, list[str]]]:
    """For each module, the modules that it imports and the names that it takes from each."""
    found: dict[str, dict[str, list[str]]] = {}
    for module, text in texts.items():
        found[module] = {}
        for clause, address in IMPORT.findall(text):
            names = re.search(r"\{([^}]*)\}", clause)
            each = names[1].split(",") if names else []
            found[module][target(module, address)] = [one.split(" as ")[0].strip() for one in each if one.strip()]
    return found


def broken(texts: dict[str, str]) -> list[str]:
    """Each breach of the contract, as a sentence."""
    found, graph = [], imports(texts)
    for module, text in texts.items():
        folder = module.split("/")[0]
        if folder not in RANK:
            found.append(f"{module} is in no layer")
        if DYNAMIC.search(re.sub(r"/\*\*.*?\*/", "", text, flags=re.S)):
            found.append(f"{module} imports while it runs, which this test cannot follow")
        for other, names in graph[module].items():
            above = other.split("/")[0]
            if other not in texts:
                found.append(f"{module} imports {other}, which does not exist")
                continue
            exported = {name for pair in NAMED.findall(texts[other]) for name in pair}
            found += [f"{module} imports {name} from {other}, which does not export it" for name in names if name not in exported]
            if above != folder and RANK.get(above, -1) <= RANK.get(folder, -1):
                found.append(f"{module} imports {other}")
        for address, name in TYPE.findall(text):
            other = target(module, address)
            if not re.search(rf"^export class {name}\b|@typedef \{{.*\}} {name}\b", texts.get(other, ""), re.M):
                found.append(f"{module} names the type {name} of {other}, which has none")
    return found + [f"{' → '.join(one)} is a cycle" for one in cycles({module: set(others) for module, others in graph.items()})]


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    found, done = [], set[str]()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for other in sorted(graph.get(module, ())):
                walk(other, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])
    return found


def test_modules_import_only_from_layers_below() -> None:
    texts = modules(PAGE)
    assert len(texts) > 30 and sum(len(one) for one in imports(texts).values()) > 100
    assert broken(texts) == []


def test_every_folder_has_a_layer_and_a_line_in_the_architecture() -> None:
    folders = {path.name for path in PAGE.iterdir() if path.name not in NOT_SCRIPTS}
    assert folders == set(RANK)
    page = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text("utf-8")
    assert all(re.search(rf"^ +{name}/ +\w", page, re.M) for name in (folders | {"styles"}) - {"main.js"})
    order = " > ".join(" | ".join(name.removesuffix(".js") for name in names) for names in LAYERS)
    assert f"inside studio/page: {order}" in re.sub(r"\s+", " ", page)


def test_the_contract_bites() -> None:
    good = {"main.js": 'import { w } from "./words/a.js";', "words/a.js": "export const w = 1;", "words/b.js": ""}
    assert broken(good) == []
    for module, text, breach in (
        ("words/b.js", 'import * as ui from "../ui/c.js";', "words/b.js imports ui/c.js"),
        ("widgets/d.js", 'import "../input/e.js";', "widgets/d.js imports input/e.js"),
        ("tricks/f.js", "", "tricks/f.js is in no layer"),
        ("ui/g.js", 'export { nothing } from "../words/a.js";', "ui/g.js imports nothing from words/a.js, which does not export it"),
        ("ui/g.js", 'import {\n  w,\n} from "../words/none.js";', "ui/g.js imports words/none.js, which does not exist"),
        ("ui/g.js", '/** @param {import("../words/a.js").W} w */', "ui/g.js names the type W of words/a.js, which has none"),
        ("ui/g.js", 'const late = await import("../words/a.js");', "ui/g.js imports while it runs, which this test cannot follow"),
    ):
        assert broken({**good, "ui/c.js": "", "input/e.js": "", module: text}) == [breach]
    one, other = 'import { b } from "./b.js"; export const a = b;', 'import { a } from "./a.js"; export const b = a;'
    assert "is a cycle" in broken({"ui/a.js": one.replace("; e", ";\ne"), "ui/b.js": other.replace("; e", ";\ne")})[0]
