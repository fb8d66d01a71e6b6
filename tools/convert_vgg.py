"""Convert canonical VGG-19 weights, that you have, for `style`. Run it yourself, outside the package, on a file you trust.

    python tools/convert_vgg.py vgg19-dcbb9e9d.pth vgg19.safetensors
    gesso fit style --content photo.jpg --style painting.jpg --preset vgg19 --weights vgg19.safetensors --out runs/painted

The input is a state dict as torchvision saves it (features.0.weight, features.0.bias, features.2.weight, …), as .pth or
.safetensors; the classifier in it is left out. The licence of the weights is their owner's. A .pth file is read by torch with
weights_only=True, which refuses code; it is the only place of this project where such a file is opened, and the package never does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gesso.errors import GessoError
from gesso.networks.convnet import vgg19
from gesso.weights.store import load_into, save_weights


def convert(source: Path, target: Path) -> str:
    """Write `target` from the state dict in `source`; returns the new file's sha256. GessoError if it is not VGG-19's."""
    network = vgg19()
    load_into(network, renamed(read(source), network.taps, source), where=source)
    card = {
        "recipe": "cifar_classifier",
        "preset": "vgg19",
        "data": "ImageNet, as the owner of the weights says",
        "licence": "the owner's",
        "command": f"python tools/convert_vgg.py {source.name} {target.name}",
        "paper": "Simonyan and Zisserman 2015, arXiv:1409.1556",
    }
    return save_weights(target, {"classifier": network.state_dict()}, card, half=False)


def read(source: Path) -> Mapping[str, Tensor]:
    """The state dict in a .safetensors or a .pth file."""
    if not source.is_file():
        raise GessoError("there is no such file", where=source)
    try:
        if source.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(source)
        state = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        raise GessoError(
            f"cannot be read as a state dict: {type(error).__name__}", where=source, fix="a .pth or .safetensors file of tensors alone"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise GessoError("holds no state dict of tensors", where=source, fix="torch.save(model.state_dict(), …)")
    return state


def renamed(state: Mapping[str, Tensor], layers: tuple[str, ...], source: Path) -> dict[str, Tensor]:
    """torchvision's features.N.weight, by rising N, as this project's layers.conv1_1.weight, …"""
    numbers = sorted({int(name.split(".")[1]) for name in state if name.startswith("features.") and name.split(".")[1].isdigit()})
    if len(numbers) != len(layers):
        raise GessoError(
            f"holds {len(numbers)} convolutions under features.N, not VGG-19's {len(layers)}",
            where=source,
            fix="torchvision's vgg19 (without _bn)",
        )
    made = {}
    for number, layer in zip(numbers, layers, strict=True):
        for part in ("weight", "bias"):
            if f"features.{number}.{part}" not in state:
                raise GessoError(f"has no features.{number}.{part}", where=source)
            made[f"layers.{layer}.{part}"] = state[f"features.{number}.{part}"]
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    try:
        print(f"{given.target}: {convert(given.source, given.target)}")
    except GessoError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
