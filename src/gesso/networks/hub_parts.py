"""Parts of models of diffusers and transformers, opened from a folder on this machine: never from the network, and never a pickle.

The caller has checked the folder (`gesso.weights.hub`): its texts, and the headers of its weights. Here the sizes that a configuration
declares are compared with the tensors that the files hold before any memory is taken for them.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import nn

from gesso.errors import GessoError, MissingExtra

if TYPE_CHECKING:
    from torch import Tensor

STORED = {"F16": torch.float16, "BF16": torch.bfloat16}  # by their names in safetensors; all others are opened as float32
SPARE = 2**24  # numbers in buffers that are computed and not stored, such as positions
SHOWN = 3


@runtime_checkable
class Part(Protocol):
    """What is known of a checked part: see `gesso.weights.hub.HubPart`."""

    @property
    def library(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...
    @property
    def variant(self) -> str | None: ...
    @property
    def numbers(self) -> str: ...


def libraries() -> tuple[Any, Any]:
    """The modules diffusers and transformers. GessoError says what to install where they, or what they need, are missing."""
    try:
        import accelerate  # noqa: F401  (diffusers opens weights without a second copy where it is there)
        import transformers

        transformers.utils.logging.set_verbosity_error()  # before diffusers, whose import makes it warn of what is not needed
        import diffusers
    except ImportError as error:
        raise MissingExtra(error.name or "diffusers", "hub", purpose="a model of another library") from None
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    return diffusers, transformers


def versions() -> dict[str, str]:
    """The versions of the libraries, which may change a last bit."""
    return {module.__name__: str(module.__version__) for module in libraries()}


_LOCK = threading.Lock()
_OFFLINE: list[bool] = []  # what the setting was, and one entry for each use at the moment


@contextmanager
def offline() -> Iterator[None]:
    """The libraries told that there is no network, whatever the environment says."""
    from huggingface_hub import constants

    with _LOCK:
        if not _OFFLINE:
            _OFFLINE.append(constants.HF_HUB_OFFLINE)
        _OFFLINE.append(True)
        constants.HF_HUB_OFFLINE = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        with _LOCK:
            _OFFLINE.pop()
            if len(_OFFLINE) == 1:  # this was the last use
                constants.HF_HUB_OFFLINE = _OFFLINE.pop()


def class_of(part: Part, where: str) -> Any:
    """The library's class of a part; GessoError where it is none that may be opened."""
    diffusers, transformers = libraries()
    if part.library == "stable_diffusion":
        from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

        found = StableDiffusionSafetyChecker if part.kind == "StableDiffusionSafetyChecker" else None
    else:
        found = getattr(diffusers if part.library == "diffusers" else transformers, part.kind, None)
    kinds = [diffusers.ModelMixin, diffusers.SchedulerMixin, transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase]
    kinds += [transformers.ProcessorMixin, transformers.image_processing_utils.BaseImageProcessor]
    if not (isinstance(found, type) and issubclass(found, tuple(kinds))):
        what = f"{part.kind} is no model, tokenizer or schedule of {part.library} {_version(part.library)}"
        raise GessoError(what, where=where, fix="a newer or older version of that library, or other weights")
    return found


def open_part(part: Part, dtype: torch.dtype | None, where: str) -> Any:
    """A part with its weights in `dtype` (None: as they are stored). GessoError with the reason where it cannot be opened."""
    kind = class_of(part, where)
    with offline():
        try:
            if not issubclass(kind, nn.Module):
                return kind.from_pretrained(str(part.folder), local_files_only=True)
            _check_sizes(part, kind, where)
            how: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "variant": part.variant, "output_loading_info": True}
            ours = hasattr(kind, "load_config")  # diffusers', whose number type has another name
            how["torch_dtype" if ours else "dtype"] = dtype or STORED.get(part.numbers, torch.float32)
            model, told = kind.from_pretrained(str(part.folder), **how)
        except GessoError:
            raise
        except Exception as error:  # the library's own, of many kinds, for a folder that it cannot open
            what = f"{part.kind} could not be opened: {type(error).__name__}: {str(error).strip()[:300]}"
            raise GessoError(what, where=where, fix="give a folder that this version of the library can open") from error
    missing = sorted(map(str, told.get("missing_keys") or ()))
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise GessoError(f"the weights lack {', '.join(missing[:SHOWN])}{more}", where=where, fix="give a whole folder")
    opened: nn.Module = model.eval().requires_grad_(False)
    return opened


def _check_sizes(part: Part, kind: Any, where: str) -> None:
    """GessoError where the configuration declares other sizes than the files have. Nothing is allocated."""
    empty = _empty(part, kind)
    own: dict[str, Tensor] = empty.state_dict()
    wrong = [
        f"{name} {list(shape)} for {list(own[name].shape)}"
        for name, shape in part.shapes.items()
        if name in own and own[name].shape != shape
    ]
    held = sum(torch.Size(shape).numel() for shape in part.shapes.values())
    needs = sum(one.numel() for one in (*empty.parameters(), *empty.buffers()))
    if wrong:
        raise GessoError("the configuration does not fit the weights: " + ", ".join(wrong[:SHOWN]), where=where, fix="give a whole folder")
    if needs > 1.05 * held + SPARE:
        what = f"the configuration declares {needs:,} numbers, and the weights hold {held:,}"
        raise GessoError(what, where=where, fix="give a whole folder")


def _empty(part: Part, kind: Any) -> Any:
    """The model without memory. A model whose first numbers are computed with values has only its parameters there."""
    from accelerate import init_empty_weights

    def build() -> Any:
        told = dict(part.config)
        return kind.from_config(told) if hasattr(kind, "load_config") else kind(kind.config_class.from_dict(told))

    try:
        with torch.device("meta"):
            return build()
    except (RuntimeError, NotImplementedError):
        with init_empty_weights():
            return build()


def number_type(name: str | None) -> torch.dtype | None:
    """The type of numbers of this name; None for None."""
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return None if name is None else kinds[name]


def _version(library: str) -> str:
    from importlib.metadata import version

    return version("diffusers" if library == "stable_diffusion" else library)
