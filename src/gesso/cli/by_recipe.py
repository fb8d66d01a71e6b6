"""The verbs whose flags a recipe's card decides; no logic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from gesso.cli import flag, show


def generate_one(
    recipe: str,
    card: Any,
    conditions: dict[str, Any],
    settings: dict[str, Any],
    *,
    out: Annotated[Path | None, Parameter(alias="-o", help="Where to write it, record inside: .png, .ora, .psd or .json.")] = None,
    seed: Annotated[int | None, Parameter(help="Decides what chance decides [0].")] = None,
    seeds: Annotated[
        str | None, Parameter(help="Several outputs, one a seed: 0-7, or 1,5,9. Their names get -0, -1, … or {seed} in --out.")
    ] = None,
    take: Annotated[str | None, Parameter(help="Which of the outputs to write, if not the first picture.")] = None,
    request: Annotated[
        Path | None, Parameter(help="Begin from a request's JSON, or from an output made before; its preset and weights too.")
    ] = None,
    preset: Annotated[str | None, Parameter(help="How large: the weights' own if left out.")] = None,
    weights: Annotated[Path | None, Parameter(help="A .safetensors file or a run's folder; the shipped ones if left out.")] = None,
    threads: Annotated[int | None, Parameter(help="Torch's threads.")] = None,
    mark: Annotated[bool, Parameter(help="Sign it as content credentials with this machine's key.", negative=())] = False,
) -> None:
    """Make one output a seed and print where each was written."""
    from gesso.verbs.load import load
    from gesso.verbs.result import refuse_overwriting

    numbers = flag.seeds(seeds, seed)
    paths = flag.outs(out, card, numbers)
    refuse_overwriting(paths, [*flag.texts(conditions), recipe, request, weights])
    marker = flag.marker(paths) if mark else None
    model = load(recipe, preset=preset, weights=weights, base=request)
    asked = [model.request(seed=number, base=request, **conditions, **settings) for number in numbers]
    for one, path in zip(asked, paths, strict=True):
        with show.watch(card.name) as on_output:
            result = model.make(one, on_output=on_output, threads=threads, files=model.files_of(conditions))
        if path is None:
            show.print_json(result.values())
        else:
            result.save(path, take, mark=marker)
            print(path)
        show.tell(show.words(note["words"]) for note in result.said)


def fit_one(
    recipe: str,
    card: Any,
    conditions: dict[str, Any],
    settings: dict[str, Any],
    *,
    out: Annotated[Path, Parameter(alias="-o", help="The folder to write into.")],
    seed: Annotated[int, Parameter(help="Decides what chance decides.")] = 0,
    preset: Annotated[str | None, Parameter(help="How large: the weights' own if left out.")] = None,
    weights: Annotated[Path | None, Parameter(help="Weights of the recipe, or of the network that it looks through.")] = None,
    threads: Annotated[int | None, Parameter(help="Torch's threads.")] = None,
    fresh: Annotated[bool, Parameter(help="Take an earlier fit out of the folder first.", negative=())] = False,
) -> None:
    """Optimise one output into a folder, showing how it goes."""
    from gesso.verbs.fit import fit as run

    with show.watch(card.name) as on_output:
        made = run(
            recipe, out=out, conditions=conditions, settings=settings, seed=seed, preset=preset, weights=weights, threads=threads,
            fresh=fresh, on_output=on_output,
        )  # fmt: skip
    print(made.out / "result.png")


def batch_one(
    recipe: str,
    card: Any,
    conditions: dict[str, Any],
    settings: dict[str, Any],
    *,
    folder: Annotated[Path, Parameter(help="The drawings: each picture in this folder.")],
    out: Annotated[Path, Parameter(alias="-o", help="The folder to write into; what it holds of the same request is kept.")],
    each: Annotated[str | None, Parameter(help="Which condition the files are; the only picture that is required if left out.")] = None,
    kind: Annotated[str, Parameter(help="What is written: png, ora, psd or json.")] = "png",
    seed: Annotated[int, Parameter(help="Decides what chance decides.")] = 0,
    retry: Annotated[bool, Parameter(help="Only those that failed before.", negative=())] = False,
    preset: Annotated[str | None, Parameter(help="How large: the weights' own if left out.")] = None,
    weights: Annotated[Path | None, Parameter(help="A .safetensors file or a run's folder; the shipped ones if left out.")] = None,
    threads: Annotated[int | None, Parameter(help="Torch's threads.")] = None,
    mark: Annotated[bool, Parameter(help="Sign each as content credentials with this machine's key.", negative=())] = False,
) -> int:
    """Make the same request of every picture in a folder; ends with 3 where some failed."""
    from gesso.media.file import shown
    from gesso.verbs.batch import batch as run

    try:
        with show.progress(card.name) as advance:
            made = run(
                recipe, folder=folder, out=out, each=each, kind=kind, seed=seed, retry=retry, preset=preset, weights=weights,
                threads=threads, mark=flag.marker([out / f"any.{kind}"]) if mark else None, on_item=advance, **conditions, **settings,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on from there") from None
    show.tell(shown(f"{name}: {show.words(note['words'])}") for name, notes in made.notes.items() for note in notes)
    show.write(*(shown(f"{name}: {why}") for name, why in made.failed.items()))
    show.write(f"made {len(made.made)}, kept {len(made.kept)}, failed {len(made.failed)}: {out}")
    show.write(*(str(path) for path in made.sheets))
    return SOME_FAILED if made.failed else 0


SOME_FAILED = 3
BY_RECIPE: dict[str, Callable[..., Any]] = {"generate": generate_one, "fit": fit_one, "batch": batch_one}
