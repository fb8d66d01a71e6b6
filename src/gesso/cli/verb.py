"""The verbs as commands; no logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from gesso import __version__
from gesso.cli import flag, show
from gesso.errors import GessoError

if TYPE_CHECKING:
    from gesso.card import Card

DIFFERS, TO_MEND = 3, 1

app = App(
    name="gesso",
    help="Generative models you steer: train, generate, fit, measure, replay.\n\n"
    "Begin with:  gesso demo\n"
    "Then:        gesso generate colorize --sketch cat.png --hints 30,40,#ff8800 --out coloured.png",
    help_format="plaintext",
    version=__version__,
    **flag.LIKE_ALL,
)


@app.command(sort_key=1)
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


@app.command(sort_key=2)
def generate(recipe: str, /) -> None:
    """Make an output. Each recipe has flags of its own: gesso generate RECIPE --help

    gesso generate colorize --sketch cat.png --out coloured.png
    gesso generate colorize --sketch cat.png --hints 30,40,#ff8800 --hints 5,6,#0a0 --out coloured.png
    gesso generate digits --label 7 --seeds 0-7 --out seven.png
    gesso generate ./mine.py --weights runs/mine --out mine.png

    Parameters
    ----------
    recipe
        A recipe's name (gesso recipes lists them) or the path of a recipe file.
    """
    recipe_first("generate", recipe)


@app.command(sort_key=3)
def train(
    recipe: str,
    /,
    *,
    out: Path,
    data: Path | None = None,
    preset: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    fresh: bool = False,
    stage: str | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> None:
    """Train a recipe. Stopped by Ctrl-C or --minutes, the same command goes on where it stopped.

    gesso train colorize --data data/openmoji --out runs/colorize --minutes 60
    gesso train ./mine.py --data data/mine --out runs/mine --preset tiny

    Parameters
    ----------
    recipe
        A recipe's name or the path of a recipe file.
    out
        The run's folder: checkpoints, weights, samples, curves.
    data
        The folder of examples; recipes that make their own need none.
    preset
        How large: tiny, small, …
    steps
        Steps in all; the recipe's own number if left out.
    minutes
        Stop at the first step after so many minutes.
    seed
        Decides first weights, order and noise.
    fresh
        Begin again, although the folder holds a run.
    stage
        The last stage to train; all of them if left out.
    threads
        Torch's threads.
    quiet
        Print nothing while training.
    """
    from gesso.verbs.train import train as run

    run(
        recipe, data=data, out=out, preset=preset, steps=steps, minutes=minutes, seed=seed, fresh=fresh, stage=stage,
        threads=threads, quiet=quiet,
    )  # fmt: skip


@app.command(sort_key=4)
def fit(recipe: str, /) -> None:
    """Optimise an output for one request, as a job in a folder. Each recipe has flags of its own: gesso fit RECIPE --help

    gesso fit style --content street.jpg --style waves.png --out fits/street

    Parameters
    ----------
    recipe
        A recipe's name or the path of a recipe file.
    """
    recipe_first("fit", recipe)


@app.command(sort_key=4)
def batch(recipe: str, /) -> None:
    """Make one request of every picture in a folder. Each recipe has flags of its own: gesso batch RECIPE --help

    gesso batch colorize --folder drawings --out coloured
    gesso batch colorize --folder drawings --out layered --kind ora
    gesso batch style --folder photos --each content --style waves.png --out painted

    Stopped at any time, the same command goes on; files that failed are tried again, and with --retry nothing else.

    Parameters
    ----------
    recipe
        A recipe's name or the path of a recipe file.
    """
    recipe_first("batch", recipe)


@app.command(sort_key=5)
def measure(
    recipe: str,
    /,
    *,
    which: str | None = None,
    data: Path | None = None,
    out: Path | None = None,
    weights: Path | None = None,
    preset: str | None = None,
    json: bool = False,
    **options: str,
) -> None:
    """Measure a recipe by its own yardstick: a table, and JSON with what it takes to get it again.

    gesso measure colorize --data openmoji/val.parquet --size 512 --counts 0,1,3 --limit 20
    gesso measure digits --out digits.json

    Parameters
    ----------
    recipe
        A recipe's name or the path of a recipe file.
    which
        Which of its measures; the first if left out.
    data
        The file or folder to measure on.
    out
        Where to write the figures, as .json.
    weights
        A .safetensors file or a run's folder.
    preset
        How large.
    json
        Print JSON, not a table.
    options
        The measure's own options.
    """
    from gesso.verbs.measure import measure as run
    from gesso.verbs.measure import tables

    given = {name.replace("-", "_"): flag.typed(value) for name, value in options.items()}
    report = run(recipe, which=which, data=data, out=out, weights=weights, preset=preset, **given)
    if json:
        show.print_json(report)
        return
    show.write(*tables(report), f"{report['command']}  ({report['seconds']} s, commit {report['commit'] or 'unknown'})")
    if out is not None:
        show.write(f"written to {out}")


@app.command(sort_key=6)
def replay(
    file: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(alias="-o")] = None,
    with_: Annotated[list[str] | None, Parameter(name="--with", negative=())] = None,
    weights: Path | None = None,
    recipe: str | None = None,
    threads: int | None = None,
) -> int:
    """Make an output again from the record inside it, and say what differs. Ends with 0 if it is equal to the bit, else with 3.

    gesso replay coloured.png
    gesso replay coloured.png --out again.png
    gesso replay poster.png --with sketch=scans/poster.png
    gesso replay mine.png --recipe ./mine.py --weights runs/mine

    Parameters
    ----------
    file
        A .png or .json that Gesso made.
    out
        Where to write the new output.
    with_
        NAME=FILE, an input that was too large to be kept in the record; or a folder to look for it.
    weights
        The weights it was made with, where they are not the shipped ones.
    recipe
        The file of a recipe outside the package.
    threads
        Torch's threads; the record's if left out.
    """
    from gesso.verbs.replay import replay as run

    made = run(file, out, flag.with_files(with_ or []), weights=weights, recipe=recipe, threads=threads)
    show.write("equal to the bit" if made.equal else "not equal" + ("" if made.psnr is None else f": {made.psnr:.2f} dB"))
    show.write(*(f"- {difference}" for difference in made.differences))
    if out is not None:
        show.write(f"written to {out}")
    return 0 if made.equal else DIFFERS


@app.command(sort_key=7)
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


@app.command(sort_key=9)
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


@app.command(sort_key=7)
def demo(*, out: Annotated[Path, Parameter(alias="-o")] = Path("demo"), weights: Path | None = None, size: int | None = None) -> None:
    """Colour the sample drawings and make a gallery of them.

    gesso demo
    gesso demo --out pictures

    Parameters
    ----------
    out
        The folder to write into.
    weights
        A .safetensors file or a run's folder; the shipped ones if left out.
    size
        Shrink the drawings to this longest side first.
    """
    from gesso.verbs.demo import demo as run

    with show.progress("demo") as advance:
        gallery = run(out, weights=weights, size=size, on_drawing=advance)
    show.write(f"pictures and gallery: {gallery.resolve()}")


@app.command(sort_key=8)
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


# --- what `gesso generate RECIPE` and `gesso fit RECIPE` do, beside the flags of the card -----------------------------------


@app.command(sort_key=0)
def studio(
    *,
    port: int = 8765,
    home: Path | None = None,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
    jobs: Literal["here", "ray", "off"] = "here",
) -> None:
    """Open the studio: a page on this machine alone, in which you draw and steer. Ctrl-C ends it.

    gesso studio
    gesso studio --port 9000 --no-browser

    Parameters
    ----------
    port
        Where it listens, on 127.0.0.1; the next free one where it is taken.
    home
        The folder that keeps sessions and uploads: GESSO_HOME, or your system's place for data, if left out.
    browser
        Open the page in your browser, where there is a desktop.
    jobs
        Where trainings and folders are done: in processes here, on the Ray cluster of RAY_ADDRESS (or one of its own), or nowhere.
    """
    from gesso.studio import run

    run(port, home, jobs=jobs, on_start=lambda link: show.welcome(link, browser=browser))


def recipe_first(verb: str, name: str) -> str:
    """The flags that may follow depend on the recipe, so its name comes first."""
    if name.startswith("-"):
        raise GessoError("name the recipe first", where=f"gesso {verb}", fix=f"gesso {verb} RECIPE --…; gesso recipes lists them")
    return name


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
