"""The commands whose flags a recipe's card decides: each hands its values over to the verb of its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from gesso.cli import flag, show

SOME_FAILED = 3
STOPPED = 130
Weights = Annotated[
    list[str] | None,
    Parameter(help="A .safetensors file or a run's folder; ROLE=FILE for a network it uses; an overlay. Else those shipped.", negative=()),
]
Device = Annotated[str | None, Parameter(help="Where networks run: cpu, cuda, cuda:1 [what is there].")]


def generate_one(
    recipe: Any,
    given: dict[str, Any],
    *,
    out: Annotated[Path | None, Parameter(alias="-o", help="The file to write, with its record: {files}.")] = None,
    seed: Annotated[int | None, Parameter(help="Decides all random numbers [0].")] = None,
    seeds: Annotated[
        str | None, Parameter(help="Several outputs, one a seed: 0-7, or 1,5,9. Their names get -0, -1, … or {seed} in --out.")
    ] = None,
    best: Annotated[
        int | None, Parameter(help="Make so many, from the seed on, and keep the one that fits the words best, as the recipe clip sees it.")
    ] = None,
    rank: Annotated[str | None, Parameter(help="Weights of clip to choose by, for --best: a file or a run's folder [shipped].")] = None,
    take: Annotated[str | None, Parameter(help="Which of the outputs to write, if not the first that such a file holds.")] = None,
    request: Annotated[
        Path | None, Parameter(help="Begin from a request's JSON, or from an output made before; its preset and weights too.")
    ] = None,
    merge: Annotated[
        list[Path] | None,
        Parameter(help="With --request: another output of the same drawing, whose hints are joined with its own.", negative=()),
    ] = None,
    preset: Annotated[str | None, Parameter(help="The model's size: the weights' own if left out.")] = None,
    weights: Weights = None,
    threads: Annotated[int | None, Parameter(help="Torch's threads.")] = None,
    device: Device = None,
    mark: Annotated[bool, Parameter(help="Sign it as content credentials with this machine's key.", negative=())] = False,
    video: Annotated[Path | None, Parameter(help="A film, of which each frame is made: --out film.mp4, .mov or .mkv.")] = None,
    resume: Annotated[bool, Parameter(help="Go on with a film that was stopped.", negative=())] = False,
) -> int | None:
    """Make one output a seed, and print the path of each; or one film."""
    if video is not None:
        refused = {"--seeds": seeds, "--best": best, "--take": take, "--request": request, "--merge": merge, "--mark": mark or None}
        how = {"seed": seed or 0, "preset": preset, "weights": weights, "threads": threads, "device": device, "resume": resume}
        return _film(recipe, given, video, out, refused, **how)
    from gesso.media.medium import medium

    if recipe.shots is not None and out is not None and out.suffix.lower() in medium("video").endings:
        refused = {"--seeds": seeds, "--best": best, "--take": take, "--request": request, "--merge": merge, "--mark": mark or None}
        how = {"seed": seed, "preset": preset, "weights": weights, "threads": threads, "device": device, "resume": resume}
        return _shots(recipe, given, out, refused, **how)
    if best is not None or rank is not None:
        chosen: dict[str, Any] = {"take": take, "base": request, "preset": preset, "weights": weights, "threads": threads}
        _best(recipe, given, out, {"--seeds": seeds, "--merge": merge}, seed, best, rank, device=device, mark=mark, **chosen)
        return None
    from gesso.verbs.generate import generate

    with show.watch(recipe.name) as watched:
        for path, result in generate(
            recipe, given, out=out, seeds=flag.seeds(seeds, seed), take=take, base=request, merge=merge or (), preset=preset,
            weights=weights, threads=threads, device=device, mark=mark, on_output=watched.show,
        ):  # fmt: skip
            watched.pause()
            show.made(path, result)
    return None


def _best(
    recipe: Any,
    given: dict[str, Any],
    out: Path | None,
    refused: dict[str, Any],
    seed: int | None,
    num: int | None,
    rank: str | None,
    **how: Any,
) -> None:
    """Make several outputs and print the path of the best, and how well each seed fits."""
    from gesso.errors import GessoError
    from gesso.verbs.best import best

    if num is None:
        raise GessoError("--rank is for the best of several", where="--rank", fix="--best 8")
    wrong = next((name for name, value in refused.items() if value is not None), None)
    if wrong:
        raise GessoError(f"--best chooses among seeds of one request, so {wrong} does not go with it", where=wrong, fix="leave one out")
    with show.watch(recipe.name) as watched:
        path, ranked = best(recipe, given, num=num, out=out, seed=seed, judge=rank, on_output=watched.show, **how)
    show.made(path, ranked[0].result)
    show.tell(f"seed {one.seed}: {one.fit:.3f}" for one in ranked)


def _shots(recipe: Any, given: dict[str, Any], out: Path, refused: dict[str, Any], **how: Any) -> int:
    """Make the film of a request, with a progress bar."""
    from gesso.errors import GessoError
    from gesso.verbs.shots import shots

    wrong = next((name for name, value in refused.items() if value is not None), None)
    if wrong:
        raise GessoError(f"{wrong} is for pictures", where=wrong, fix=f"--out {out.with_suffix('.png')}")
    with show.progress(recipe.name) as advance:
        made = shots(recipe, given, out=out, on_frame=advance, **how)
    return _tell_film(made)


def _film(recipe: Any, given: dict[str, Any], video: Path, out: Path | None, refused: dict[str, Any], **how: Any) -> int:
    """Make a film, with a progress bar; ends with 130 where it was stopped, as after any Ctrl-C."""
    from gesso.errors import GessoError
    from gesso.verbs.film import film

    wrong = next((name for name, value in refused.items() if value is not None), None)
    if wrong or out is None:
        what = f"{wrong} is for pictures" if wrong else "a film needs the name of the file to write"
        raise GessoError(what, where=wrong or "--out", fix=f"--video {video} --out film.mp4")
    with show.progress(recipe.name) as advance:
        made = film(recipe, given, video=video, out=out, on_frame=advance, **how)
    return _tell_film(made)


def _tell_film(made: Any) -> int:
    show.tell(made.notes)
    print(made.out)
    if made.done:
        return 0
    show.tell([f"stopped after {made.frames} frames, which {made.out} holds; the same command with --resume goes on"])
    return STOPPED


def fit_one(
    recipe: Any,
    given: dict[str, Any],
    *,
    out: Annotated[Path, Parameter(alias="-o", help="The folder to write into.")],
    seed: Annotated[int, Parameter(help="Decides all random numbers.")] = 0,
    preset: Annotated[str | None, Parameter(help="The model's size: the weights' own if left out.")] = None,
    data: Annotated[Path | None, Parameter(help="The folder of examples, for recipes that read one.")] = None,
    weights: Weights = None,
    threads: Annotated[int | None, Parameter(help="Torch's threads.")] = None,
    device: Device = None,
    fresh: Annotated[bool, Parameter(help="Remove an earlier fit from the folder first.", negative=())] = False,
) -> None:
    """Optimise one output into a folder, with a progress bar, and print its path."""
    from gesso.verbs.fit import fit

    with show.watch(recipe.name) as watched:
        fitted = fit(
            recipe, out=out, given=given, data=data, seed=seed, preset=preset, weights=weights, threads=threads, device=device,
            fresh=fresh, on_output=watched.show,
        )  # fmt: skip
    show.write(*(str(path) for path in (fitted.file, fitted.weights) if path is not None))


def batch_one(
    recipe: Any,
    given: dict[str, Any],
    *,
    folder: Annotated[Path, Parameter(help="The drawings: each picture in this folder.")],
    out: Annotated[Path, Parameter(alias="-o", help="The folder to write into; what it holds of the same request is kept.")],
    each: Annotated[str | None, Parameter(help="Which condition the files are; the only picture that is required if left out.")] = None,
    kind: Annotated[str, Parameter(help="The files to write, without the dot: {files}.")] = "png",
    seed: Annotated[int, Parameter(help="Decides all random numbers.")] = 0,
    retry: Annotated[bool, Parameter(help="Only those that failed before.", negative=())] = False,
    preset: Annotated[str | None, Parameter(help="The model's size: the weights' own if left out.")] = None,
    weights: Annotated[Path | None, Parameter(help="A .safetensors file or a run's folder; the shipped ones if left out.")] = None,
    threads: Annotated[int | None, Parameter(help="Torch's threads.")] = None,
    mark: Annotated[bool, Parameter(help="Sign each as content credentials with this machine's key.", negative=())] = False,
) -> int:
    """Apply one request to every picture in a folder; exit code 3 if some failed."""
    from gesso.media.file import printable
    from gesso.verbs.batch import batch

    try:
        with show.progress(recipe.name) as advance:
            made = batch(
                recipe, folder=folder, out=out, each=each, kind=kind, seed=seed, retry=retry, preset=preset, weights=weights,
                threads=threads, mark=mark, on_item=advance, **given,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues") from None
    show.tell(printable(f"{name}: {show.words(note['words'])}") for name, notes in made.notes.items() for note in notes)
    show.write(*(printable(f"{name}: {why}") for name, why in made.failed.items()))
    show.write(f"made {len(made.made)}, kept {len(made.kept)}, failed {len(made.failed)}: {out}")
    show.write(*(str(path) for path in made.sheets))
    return SOME_FAILED if made.failed else 0


def export_one(
    recipe: Any,
    given: dict[str, Any],
    *,
    out: Annotated[Path, Parameter(alias="-o", help="The folder to write into.")],
    preset: Annotated[str | None, Parameter(help="The model's size: the weights' own if left out.")] = None,
    weights: Weights = None,
) -> None:
    """Write the recipe's networks as ONNX files, and print how far their outputs are from ours."""
    from gesso.verbs.export import export

    for one in export(recipe, given, out=out, weights=weights, preset=preset):
        show.write(f"{one.file}  differs by at most {one.difference:.1e} of its range")


BY_RECIPE: dict[str, Callable[..., Any]] = {"generate": generate_one, "fit": fit_one, "batch": batch_one, "export": export_one}
