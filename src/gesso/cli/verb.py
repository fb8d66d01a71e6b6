"""The verbs as commands: flags, help and printing; the verbs themselves are in `gesso.verbs`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from gesso import __version__
from gesso.cli import about, flag, show
from gesso.cli.about import DIFFERS

app = App(
    name="gesso",
    help="Generative models you steer: train, generate, fit, measure, replay.\n\n"
    "Begin with:  gesso demo\n"
    "Then:        gesso generate colorize --sketch cat.png --hints 30,40,#ff8800 --out coloured.png",
    help_format="plaintext",
    version=__version__,
    **flag.LIKE_ALL,
)
for place, look in ((1, about.recipes), (2, about.data), (7, about.inspect), (8, about.doctor), (9, about.signer)):
    app.command(look, sort_key=place)


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
    flag.recipe_first("generate", recipe)


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
    begin: str | None = None,
    weights: Annotated[list[str] | None, Parameter(negative=())] = None,
    threads: int | None = None,
    device: str | None = None,
    patience: int | None = None,
    people: str | None = None,
    quiet: bool = False,
) -> None:
    """Train a recipe. After Ctrl-C or --minutes, the same command continues.

    gesso train colorize --data data/openmoji --out runs/colorize --minutes 60
    gesso train colorize --begin shipped --data drawings --out runs/mine
    gesso train ./mine.py --data data/mine --out runs/mine --preset tiny
    torchrun --nproc-per-node 2 -m gesso train digits --out runs/digits

    Parameters
    ----------
    recipe
        A recipe's name or the path of a recipe file.
    out
        The run's folder: checkpoints, weights, samples, curves.
    data
        The folder of examples; recipes that make their own need none.
    preset
        The model's size: tiny, small, …
    steps
        Steps in all; the recipe's own number if left out.
    minutes
        Stop at the first step after this many minutes.
    seed
        Decides initial weights, order and noise.
    fresh
        Remove the run in the folder first.
    stage
        The last stage to train; all of them if left out.
    begin
        The weights to start from: a file, a run's folder, or "shipped".
    weights
        Weights of a network that the recipe uses, as ROLE=FILE.
    threads
        Torch's threads.
    device
        cpu, cuda or cuda:1; what is there if left out.
    patience
        Stop when the figure of samples has not improved for so many looks (one every 500 steps).
    people
        Who gives the conditions: names of simulated people, or .toml or .json files, with commas; "own" is the recipe's own [own].
    quiet
        Print nothing while training.
    """
    from gesso.verbs.train import train as run

    run(
        recipe, data=data, out=out, preset=preset, steps=steps, minutes=minutes, seed=seed, fresh=fresh, stage=stage,
        begin=begin, weights=weights, threads=threads, device=device,
        patience=patience, people=people, quiet=quiet,
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
    flag.recipe_first("fit", recipe)


@app.command(sort_key=4)
def batch(recipe: str, /) -> None:
    """Make one request of every picture in a folder. Each recipe has flags of its own: gesso batch RECIPE --help

    gesso batch colorize --folder drawings --out coloured
    gesso batch colorize --folder drawings --out layered --kind ora
    gesso batch style --folder photos --each content --style waves.png --out painted

    After a stop, the same command continues; files that failed are tried again, and with --retry only those.

    Parameters
    ----------
    recipe
        A recipe's name or the path of a recipe file.
    """
    flag.recipe_first("batch", recipe)


@app.command(sort_key=5)
def measure(
    recipe: str,
    /,
    *,
    which: str | None = None,
    data: Path | None = None,
    out: Path | None = None,
    weights: Annotated[list[str] | None, Parameter(negative=())] = None,
    preset: str | None = None,
    people: str | None = None,
    json: bool = False,
    **options: str,
) -> None:
    """Run a recipe's own measure: a table, and JSON with everything needed to reproduce it.

    gesso measure colorize --data openmoji/val.parquet --size 512 --counts 0,1,3 --limit 20
    gesso measure digits --out digits.json
    gesso measure gan --which pictures --data cifar10 --weights runs/gan --out runs/gan/measured
    gesso measure colorize --people all --data flats
    gesso measure colorize --people sloppy,./me.toml --data flats --num 50 --against runs/before

    Parameters
    ----------
    recipe
        A recipe's name or the path of a recipe file.
    which
        Which of its measures; the first if left out.
    data
        The file or folder to measure on.
    out
        Where to write the figures: a .json file, or a folder for the table and sheets of pictures too.
    weights
        A .safetensors file or a run's folder; ROLE=FILE for a network it uses.
    preset
        The model's size.
    people
        Simulated people steer in place of a measure: all, names with commas between, or a .toml or .json file that declares some.
    json
        Print JSON instead of tables.
    options
        The measure's own options.
    """
    from gesso.errors import GessoError
    from gesso.verbs.measure import measure as run
    from gesso.verbs.measure import tables

    given = {name.replace("-", "_"): flag.typed(value) for name, value in options.items()}
    if people is None:
        report = run(recipe, which=which, data=data, out=out, weights=weights, preset=preset, **given)
    elif which is not None:
        raise GessoError("people steer in place of a measure", where="--which", fix="leave one of --which and --people out")
    else:
        from gesso.steering.people_figures import measure_people

        who = None if people == "all" else people
        report = measure_people(recipe, who, data=data, out=out, weights=weights, preset=preset, **given)
    if json:
        show.print_json(report)
        return
    show.write(*tables(report), f"{report['command']}  ({report['seconds']} s, commit {report['commit'] or 'unknown'})")
    if out is not None:
        show.write(f"written to {out}")


@app.command(sort_key=5)
def compare(runs: Annotated[list[Path], Parameter(name="RUN")], /, *, out: Annotated[Path | None, Parameter(alias="-o")] = None) -> None:
    """Put runs side by side: what was trained, how far and how fast, losses, figures, signs of trouble.

    gesso compare runs/l1 runs/gan
    gesso compare runs/* --out comparison

    Figures are those of gesso measure … --out RUN/NAME.

    Parameters
    ----------
    runs
        Folders of trainings.
    out
        A folder for the table as JSON, the curves and the samples as pictures.
    """
    from gesso.verbs.compare import compare as run
    from gesso.verbs.compare import tables

    show.write(tables(run(runs, out=out)))
    if out is not None:
        show.write(f"written to {out}")


@app.command(sort_key=6)
def export(recipe: str, /) -> None:
    """Write a recipe's networks as ONNX, checked equal. Each recipe has flags of its own: gesso export RECIPE --help

    gesso export gan --weights runs/gan --out gan_onnx
    gesso export pix2pix --weights runs/pairs --picture edges.png --out pairs_onnx

    The conditions' flags give an example that the networks are recorded with.

    Parameters
    ----------
    recipe
        A recipe's name or the path of a recipe file.
    """
    flag.recipe_first("export", recipe)


@app.command(sort_key=6)
def replay(
    file: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(alias="-o")] = None,
    with_: Annotated[list[str] | None, Parameter(name="--with", negative=())] = None,
    weights: Annotated[list[str] | None, Parameter(negative=())] = None,
    recipe: str | None = None,
    threads: int | None = None,
) -> int:
    """Make an output again from the record inside it, and report what differs. Ends with 0 if it is equal to the bit, else with 3.

    gesso replay coloured.png
    gesso replay layers.ora
    gesso replay coloured.png --out again.png
    gesso replay poster.png --with sketch=scans/poster.png
    gesso replay mine.png --recipe ./mine.py --weights runs/mine
    gesso replay large.mp4 --with picture=holiday.mp4

    Parameters
    ----------
    file
        A .png, .ora, .psd, .json or film that Gesso made.
    out
        Where to write the new output.
    with_
        NAME=FILE, an input that was too large for the record; or a folder to search for it.
    weights
        The weights it was made with, if not the shipped ones; ROLE=FILE for a network it uses.
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


@app.command(sort_key=0)
def studio(
    *,
    port: int = 8765,
    home: Path | None = None,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
    jobs: Literal["here", "ray", "off"] = "here",
    weights: Annotated[list[str] | None, Parameter(negative=())] = None,
    device: str | None = None,
    link: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Open the studio, a page on this machine in which you draw and steer. Ctrl-C ends it.

    gesso studio
    gesso studio --port 9000 --no-browser
    gesso studio --link

    Parameters
    ----------
    port
        The port on 127.0.0.1; the next free one if it is taken.
    home
        The folder of sessions and uploads; GESSO_HOME, or your system's data folder, if left out.
    browser
        Open the page in your browser, where there is a desktop.
    jobs
        Where trainings and batches run: in processes here, on the Ray cluster of RAY_ADDRESS (or one of its own), or not at all.
    weights
        RECIPE=FILE or RECIPE=FOLDER: weights of your own in place of those shipped, such as scene=runs/lego or hub=models/flux.
    device
        Where networks run: cpu, cuda or cuda:1; what is there if left out.
    link
        Print another link to the running studio (of --home), for a second browser, and exit. Each link opens once.
    """
    from gesso.studio import link as another
    from gesso.studio import run

    if link:
        print(another(home))
        return
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        run(
            port, home, jobs=jobs, weights=flag.by_recipe(weights), device=device, on_start=lambda link: show.welcome(link, browser=browser)
        )
    show.farewell()
