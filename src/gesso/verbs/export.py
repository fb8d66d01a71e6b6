"""Export: a recipe's networks as ONNX files for other programs, each checked against this one before it is kept."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import gesso
from gesso.errors import GessoError, MissingExtra
from gesso.media.file import write_atomic
from gesso.ports import Ports, Tokens
from gesso.recipes.recipe import Recipe
from gesso.verbs.assemble import GivenWeights
from gesso.verbs.load import Model, load
from gesso.verbs.result import make_folder

OPSET = 20
TOLERANCE = 1e-3  # of the largest value of an output
SEEDS = (0, 1)  # the network is recorded with the first, and checked with both

for structure in (Ports, Tokens):
    pytree.register_dataclass(structure)


@dataclass(frozen=True)
class Exported:
    """One network's file, its inputs and outputs by name with their shapes, and how far its outputs are from ours at most."""

    role: str
    file: Path
    inputs: Mapping[str, list[int]]
    outputs: Mapping[str, list[int]]
    difference: float


def export(
    recipe: Recipe | str | Path,
    values: Mapping[str, Any] | None = None,
    *,
    out: Path | str,
    weights: GivenWeights = None,
    preset: str | None = None,
) -> list[Exported]:
    """Write ROLE.onnx for each network that a generation with `values` runs, and gesso.json, which says what their inputs are.

    Networks are in float32. Batches and, where the network allows it, heights and widths may have any size. Each file is run by ONNX
    Runtime on the inputs of two generations; GessoError where an output differs by more than a thousandth, and nothing is kept.
    """
    if (folder := Path(out)).exists() and not folder.is_dir():
        raise GessoError("is a file, not a folder", where=folder, fix="choose another --out")
    runtime = _runtime()
    model = load(recipe, preset=preset, weights=weights)
    calls = [_calls(model, dict(values or {}), seed) for seed in SEEDS]
    if not calls[0]:
        raise GessoError(f"{model.card.name} runs no network that it keeps", where="export")
    make_folder(folder)
    made = [_export_one(model, role, [each[role] for each in calls], folder, runtime) for role in calls[0]]
    told = {
        "recipe": model.card.name,
        "preset": model.preset,
        "weights": model.assembled.hashes,
        "gesso": gesso.__version__,
        "opset": OPSET,
        "networks": {
            one.role: {"file": one.file.name, "inputs": one.inputs, "outputs": one.outputs, "largest difference": one.difference}
            for one in made
        },
        "pictures": "float32 [b c h w], red first, from -1 (black) to 1 (white)",
    }
    write_atomic(folder / "gesso.json", (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode())
    return made


def _runtime() -> Any:
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "onnx", "export", purpose="exporting networks") from None
    return onnxruntime


def _calls(model: Model, values: dict[str, Any], seed: int) -> dict[str, tuple[Any, ...]]:
    """The arguments of the first call of each kept network in a generation, by role."""
    found: dict[str, tuple[Any, ...]] = {}
    hooks = []
    for role in model.recipe.keeps:
        if role in model.networks:

            def note(module: nn.Module, given: tuple[Any, ...], more: dict[str, Any], role: str = role) -> None:
                if role not in found:
                    bound = _signature(module).bind(*given, **more)
                    found[role] = tuple(
                        pytree.tree_map_only(Tensor, lambda t: t.detach().float() if t.is_floating_point() else t, a) for a in bound.args
                    )

            hooks.append(model.networks[role].register_forward_pre_hook(note, with_kwargs=True))
    try:
        model.generate(seed=seed, **values)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _signature(module: nn.Module) -> Any:
    return inspect.signature(module.forward)


class _Flat(nn.Module):
    """A network behind a list of tensors, in place of the structures that it takes and gives."""

    def __init__(self, network: nn.Module, arguments: tuple[Any, ...]) -> None:
        super().__init__()
        leaves, self.form = pytree.tree_flatten(arguments)
        self.network = network
        self.fixed = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self.at = [number for number, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]

    def forward(self, *tensors: Tensor) -> Any:
        leaves = list(self.fixed)
        for number, tensor in zip(self.at, tensors, strict=True):
            leaves[number] = tensor
        made = self.network(*pytree.tree_unflatten(leaves, self.form))
        return tuple(leaf for leaf in pytree.tree_leaves(made) if isinstance(leaf, Tensor))


def _names(module: nn.Module, arguments: tuple[Any, ...]) -> list[str]:
    """Names of the tensors among the arguments, such as `latent` and `ports.vector`."""
    names = list(_signature(module).parameters)
    found = []
    for name, argument in zip(names, arguments, strict=False):
        for path, leaf in pytree.tree_flatten_with_path(argument)[0]:
            if isinstance(leaf, Tensor):
                found.append(name + pytree.keystr(path).replace("['", ".").replace("']", ""))
    return found


def _export_one(model: Model, role: str, calls: list[tuple[Any, ...]], folder: Path, runtime: Any) -> Exported:
    network = model.networks[role]
    with _in_float32(network):
        flat = _Flat(network, calls[0])
        given = [[leaf for leaf in pytree.tree_leaves(call) if isinstance(leaf, Tensor)] for call in calls]
        inputs = _names(network, calls[0])
        with torch.no_grad():
            true = [flat(*one) for one in given]
        outputs = [f"out{number}" if number else "out" for number in range(len(true[0]))]
        file, part = folder / f"{role}.onnx", folder / f".{role}.onnx.part"
        try:
            twice = [torch.cat([one, one]) for one in given[0]]  # a batch of one would be recorded as always one
            _write(flat, twice, inputs, outputs, part, where=f"{model.card.name}: {role}")
            difference = _compared(runtime, part, inputs, given, true, where=str(file))
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    shapes = {name: list(tensor.shape) for name, tensor in zip(inputs, given[0], strict=True)}
    return Exported(role, file, shapes, {name: list(one.shape) for name, one in zip(outputs, true[0], strict=True)}, difference)


def _write(flat: nn.Module, given: list[Tensor], inputs: list[str], outputs: list[str], path: Path, *, where: str) -> None:
    free = [{axis: torch.export.Dim.AUTO for axis in range(one.ndim) if axis in (0, 2, 3)} for one in given]
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporter tells its progress and its rewriting, which a user can do nothing about
            program = torch.onnx.export(
                flat.eval(), tuple(given), dynamo=True, input_names=inputs, output_names=outputs, dynamic_shapes=(tuple(free),),
                opset_version=OPSET, verbose=False,
            )  # fmt: skip
            assert program is not None
            program.save(str(path), external_data=False)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise GessoError(f"the network cannot be written as ONNX: {reason}", where=where, fix="generate with it here") from error


def _compared(
    runtime: Any, path: Path, inputs: list[str], given: list[list[Tensor]], true: list[tuple[Tensor, ...]], *, where: str
) -> float:
    """The largest difference of an output from ours, over the largest value of that output."""
    quiet = runtime.SessionOptions()
    quiet.log_severity_level = 4
    try:
        session = runtime.InferenceSession(str(path), quiet, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise GessoError(
            f"ONNX Runtime cannot read what was written: {str(error)[:200]}", where=where, fix="generate with it here"
        ) from error
    wanted = {one.name for one in session.get_inputs()}
    largest = 0.0
    for tensors, expected in zip(given, true, strict=True):
        fed = {name: tensor.numpy() for name, tensor in zip(inputs, tensors, strict=True) if name in wanted}
        for made, one in zip(session.run(None, fed), expected, strict=True):
            ours, theirs = (np.asarray(value, np.float64) for value in (one.numpy(), made))  # a mask is of truth values
            scale = max(float(np.abs(ours).max()), 1e-6)
            largest = max(largest, float(np.abs(theirs - ours).max()) / scale)
    if not largest <= TOLERANCE:
        raise GessoError(f"ONNX Runtime's output differs by {largest:.2g} of its range", where=where, fix="report this recipe")
    return largest


@contextmanager
def _in_float32(network: nn.Module) -> Iterator[None]:
    """The network's parameters in float32 and in the usual memory order, afterwards as they were."""
    state = {name: value.clone() for name, value in network.state_dict().items()}
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    whole: Any = network
    whole.to(memory_format=torch.contiguous_format).float()
    try:
        yield
    finally:
        network.to(dtype)
        network.load_state_dict(state)
