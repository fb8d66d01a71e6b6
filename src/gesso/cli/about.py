"""Commands beside the making: what is here, what a file says, whose key signs; no logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.cli import show

if TYPE_CHECKING:
    from gesso.card import Card

DIFFERS, TO_MEND = 3, 1


def recipes(*, json: bool = False) -> None:
    """What can be made: every recipe, what it takes and what it gives.

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


def inspect(file: Path, /, *, manifest: Path | None = None, json: bool = False) -> int:
    """What a file says of how it was made: its content credentials, whose key signed them, its record. Ends with 3 if they are broken.

    gesso inspect coloured.png
    gesso inspect layers.psd --manifest layers.c2pa

    Parameters
    ----------
    file
        A picture of any make.
    manifest
        The file with its credentials, where they are not inside it; the one of its name with .c2pa if left out.
    json
        All of it as JSON.
    """
    from gesso.verbs.inspect import inspect as run

    found = run(file, manifest=manifest)
    if json:
        show.print_json(found.to_json())
    else:
        show.write(show.table(["what", "found"], found.rows()))
    return DIFFERS if found.manifest is not None and found.manifest.state == "broken" else 0


def doctor(*, json: bool = False) -> int:
    """What this machine has, what is missing, and the line that installs it.

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
        sign = {True: "ok", False: "mend", None: "·"}
        show.write(show.table(["", "what", "found", "the line that mends it"], [[sign[f.good], f.name, f.value, f.fix] for f in findings]))
    return TO_MEND if any(finding.good is False for finding in findings) else 0


def signer(*, renew: str | None = None, json: bool = False) -> None:
    """Whose key signs what is made here: this machine's own, on no trust list.

    gesso signer
    gesso signer --renew "the old laptop was sold"

    Parameters
    ----------
    renew
        Throw the key away and make a new one; why is kept with the old certificate. What it signed stays readable.
    json
        As JSON, with the certificates.
    """
    from gesso.marking.home import SIGNING, default_home
    from gesso.marking.marker import Marker

    marker = Marker(default_home() / SIGNING)
    told = marker.told() if renew is None else marker.renew(renew)
    marker.close()
    if json:
        show.print_json(told)
    else:
        rows = [
            ["signs", "yes" if told["signs"] else f"no: {told['why']}"],
            ["on a trust list", "no: only this machine vouches for it"],
        ]
        keys = [["fingerprint", told["fingerprint"]], ["since", told["since"]]] if told["signs"] else []
        show.write(show.table(["what", "found"], rows + keys))


def _card_of(name: str) -> Card | str:
    """A recipe's card, or why it has none: somebody else's broken recipe must not hide the others."""
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
