"""Shape checks are on while tests run: a wrong shape must fail, and one test here must fail for that to be known."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

from gesso.families import supervised
from gesso.ports import Ports
from gesso.shapes import Images


def test_the_package_is_checked():
    """`picture_of` is annotated as Images [b c h w]; a port of three axes does not match."""
    with pytest.raises(jaxtyping.TypeCheckError):
        supervised.picture_of(Ports(spatial=torch.zeros(2, 3, 4)))
    assert supervised.picture_of(Ports(spatial=torch.zeros(2, 3, 4, 5))).shape == (2, 2, 4, 5)


@pytest.mark.xfail(strict=True, raises=jaxtyping.TypeCheckError, reason="must fail: it shows that the checks are on")
def test_a_wrong_shape_fails():
    supervised.picture_of(Ports(spatial=torch.zeros(2, 3, 4)))


def test_without_the_hook_wrong_shapes_pass():
    """So the two tests above do test the hook, and users pay nothing for it."""
    code = (
        "import torch\nfrom gesso.families import supervised\nfrom gesso.ports import Ports\n"
        "print(tuple(supervised.picture_of(Ports(spatial=torch.zeros(2, 3, 4))).shape))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "(2, 2, 4)", run.stderr


def test_networks_are_checked():
    """At least one network names its shapes, and is held to them."""
    import gesso.networks

    checked = []
    for path in sorted(Path(gesso.networks.__path__[0]).glob("*.py")):
        module = __import__(f"gesso.networks.{path.stem}", fromlist=["_"]) if path.stem != "__init__" else gesso.networks
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, nn.Module) and kind.__module__ == module.__name__:
                forward = inspect.unwrap(kind.forward)
                if forward is not kind.forward or hasattr(kind.forward, "__wrapped__"):
                    checked.append(name)
    assert checked, "no network of the package runs under the shape checks"


def test_axes_must_agree_in_one_call():
    @jaxtyping.jaxtyped(typechecker=__import__("shape_check").check)
    def over(a: Images, b: Images) -> Tensor:
        return a

    over(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8))
    with pytest.raises(jaxtyping.TypeCheckError):
        over(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 4))
