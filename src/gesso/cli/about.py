"""Commands that report: recipes, a file's record and credentials, this machine, its signer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.cli import show

if TYPE_CHECKING:
    from gesso.card import Card

DIFFERS, NEEDS_FIX = 3, 1


def recipes(*, json: bool = False) -> None:
    """List the recipes: what each takes, and what it gives.

    gesso recipes
    gesso recipes --json

    Parameters
    ----------
    json
        The cards as JSON: conditions, settings, outputs.
    """
    from gesso import recipes

    found = {name: _card_of(name) for name in recipes.names()}
    if json:
        show.print_json({name: _described(card) for name, card in found.items() if not isinstance(card, str)})
        return
    rows = []
    for name, card in found.items():
        if isinstance(card, str):
            rows.append([name, card, "", ""])
            continue
        takes = ", ".join(slot.name + ("" if slot.required else "?") for slot in card.conditions)
        rows.append([name, f"{show.words(card.title)}. {show.words(card.summary)}", takes, ", ".join(out.name for out in card.outputs)])
    show.write(
        show.table(["recipe", "what it does", "takes (? may be left out)", "gives"], rows),
        "Flags and examples of one: gesso generate RECIPE --help",
    )


def data(folder: Path | None = None, /, *, json: bool = False) -> None:
    """List the folders of examples that are here, which recipes take them, and how to lay out one's own. Or look at one folder.

    gesso data
    gesso data my_pictures
    GESSO_DATA=~/pictures gesso data

    Parameters
    ----------
    folder
        Pictures to look at before a training: how many, broken ones, copies, look-alikes, classes.
    json
        Print JSON.
    """
    from gesso.verbs.data import check, folders, places, taken

    if folder is not None:
        looked_at = check(folder)
        if json:
            show.print_json(looked_at.to_json())
        else:
            show.write(*looked_at.sentences())
        return
    found, layouts = list(folders()), list(taken())
    if json:
        listed = [{"name": one.name, "path": str(one.path), "num_files": one.num_files, "recipes": list(one.recipes)} for one in found]
        show.print_json({"folders": listed, "layouts": {one.recipe: dict(one.words) for one in layouts}})
        return
    rows = [[one.name, str(one.num_files), ", ".join(one.recipes) or "none", str(one.path)] for one in found]
    looked = ", ".join(str(place) for place in places())
    show.write(
        show.table(["--data", "files", "recipes that take it", "path"], rows) if rows else f"No folders of examples in {looked}",
        show.table(["recipe", "a folder of one's own holds"], [[one.recipe, show.words(one.words)] for one in layouts]),
        "GESSO_DATA names the folders that are looked in. --data also takes a path.",
    )


def inspect(file: Path, /, *, manifest: Path | None = None, json: bool = False) -> int:
    """Show a file's content credentials, who signed them, and its record. Ends with 3 if the credentials are broken.

    gesso inspect coloured.png
    gesso inspect layers.psd --manifest layers.c2pa

    Parameters
    ----------
    file
        A picture file.
    manifest
        The file with its credentials, where they are not inside it; NAME.c2pa beside it if left out.
    json
        Print JSON.
    """
    from gesso.verbs.inspect import inspect as run

    found = run(file, manifest=manifest)
    if json:
        show.print_json(found.to_json())
    else:
        show.write(show.table(["what", "found"], found.rows()))
    return DIFFERS if found.manifest is not None and found.manifest.state == "broken" else 0


def doctor(*, json: bool = False) -> int:
    """Show what this machine has, what is missing, and the command that installs it.

    gesso doctor

    Parameters
    ----------
    json
        As JSON.
    """
    from gesso.verbs.doctor import doctor as run

    findings = run()
    if json:
        show.print_json([vars(finding) for finding in findings])
    else:
        sign = {True: "ok", False: "fix", None: "·"}
        show.write(show.table(["", "what", "found", "how to fix it"], [[sign[f.good], f.name, f.value, f.fix] for f in findings]))
    return NEEDS_FIX if any(finding.good is False for finding in findings) else 0


def signer(*, renew: str | None = None, json: bool = False) -> None:
    """Show the key that signs outputs: this machine's own, on no trust list.

    gesso signer
    gesso signer --renew "the old laptop was sold"

    Parameters
    ----------
    renew
        Replace the key by a new one; the reason is kept with the old certificate. Files that it signed stay readable.
    json
        As JSON, with the certificates.
    """
    from gesso.marking.marker import Marker
    from gesso.storage.home import SIGNING, data_home

    marker = Marker(data_home() / SIGNING)
    about = marker.status() if renew is None else marker.renew_key(renew)
    marker.close()
    if json:
        show.print_json(about)
    else:
        rows = [
            ["signs", "yes" if about["signs"] else f"no: {about['why']}"],
            ["on a trust list", "no: only this machine vouches for it"],
        ]
        keys = [["fingerprint", about["fingerprint"]], ["since", about["since"]]] if about["signs"] else []
        show.write(show.table(["what", "found"], rows + keys))


def _card_of(name: str) -> Card | str:
    """A recipe's card, or the error: a broken recipe of a plug-in must not hide the others."""
    from gesso.recipes import find

    try:
        return find(name).card
    except Exception as error:
        return f"cannot be read: {type(error).__name__}: {error}"


def _described(card: Card) -> dict[str, Any]:
    conditions = [
        {
            "name": s.name,
            "kind": s.kind.kind,
            "required": s.required,
            "repeatable": s.kind.repeatable,
            "title": dict(s.title),
            "help": dict(s.help),
        }
        for s in card.conditions
    ]
    return card.model_dump(mode="json", exclude={"conditions", "settings", "words"}) | {
        "conditions": conditions, "settings": card.settings_schema()
    }  # fmt: skip
