"""Folders of models of other libraries are read as untrusted input: what is wrong is said, and nothing of it is run or opened."""

from __future__ import annotations

import json
import os
import pickle  # to write what must never be read
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from gesso.errors import GessoError
from gesso.weights.hub import HubPart, read_hub


def part(folder: Path, config: dict[str, Any], tensors: dict[str, torch.Tensor] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors or {"weight": torch.zeros(2, 3)}, str(folder / "diffusion_pytorch_model.safetensors"))


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A folder in the form of a pipeline, with made-up parts."""
    folder = tmp_path / "pipeline"
    part(folder / "unet", {"_class_name": "UNet2DConditionModel", "sample_size": 8, "block_out_channels": [4, 8]})
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"num_train_timesteps": 1000}))
    parts = {"unet": ["diffusers", "UNet2DConditionModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    parts |= {"scheduler": ["diffusers", "DDIMScheduler"], "safety_checker": [None, None]}
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "StableDiffusionPipeline", "requires_safety_checker": False, **parts})
    )
    return folder


def told(file: Path, **more: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | more))


def test_parts_shapes_and_a_hash_of_the_content(pipeline: Path, tmp_path: Path) -> None:
    held = read_hub(pipeline)
    assert held.kind == "StableDiffusionPipeline" and set(held.parts) == {"unet", "tokenizer", "scheduler"}
    assert held.parts["unet"].shapes == {"weight": (2, 3)} and held.options == {"requires_safety_checker": False}
    moved = shutil.copytree(pipeline, tmp_path / "moved")
    (moved / "README.md").write_text("words that nothing depends on")
    assert read_hub(moved).sha256 == held.sha256
    told(moved / "scheduler" / "scheduler_config.json", num_train_timesteps=999)
    assert read_hub(moved).sha256 != held.sha256
    save_file({"weight": torch.ones(2, 3)}, str(pipeline / "unet" / "diffusion_pytorch_model.safetensors"))
    assert read_hub(pipeline).sha256 != held.sha256


def test_other_ways_to_name_a_file_elsewhere_are_refused(pipeline: Path) -> None:
    unet = pipeline / "unet"
    os.rename(unet / "diffusion_pytorch_model.safetensors", unet / "diffusion_pytorch_model.fp16.safetensors")
    index = unet / "diffusion_pytorch_model.safetensors.index.fp16.json"
    index.write_text(json.dumps({"weight_map": {"weight": "../../elsewhere.safetensors"}}))
    with pytest.raises(GessoError, match="elsewhere"):
        read_hub(pipeline)
    index.unlink()
    read_hub(pipeline)
    told(unet / "config.json", transformers_weights="other.safetensors")
    with pytest.raises(GessoError, match="another file"):
        read_hub(pipeline)


def test_numbers_beyond_all_floats_are_refused(pipeline: Path) -> None:
    told(pipeline / "unet" / "config.json", sample_size=10**400)
    with pytest.raises(GessoError, match="the limit is"):
        read_hub(pipeline)


def test_several_files_and_variants(pipeline: Path) -> None:
    unet = pipeline / "unet"
    os.rename(unet / "diffusion_pytorch_model.safetensors", unet / "diffusion_pytorch_model.fp16.safetensors")
    assert read_hub(pipeline).parts["unet"].variant == "fp16"
    for number in (1, 2):
        save_file({f"w{number}": torch.zeros(2)}, str(unet / f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"))
    index = unet / "diffusion_pytorch_model.safetensors.index.json"
    names = {f"w{number}": f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)}
    index.write_text(json.dumps({"weight_map": names}))
    found = read_hub(pipeline).parts["unet"]
    assert found.variant is None and set(found.shapes) == {"w1", "w2"}
    index.write_text(json.dumps({"weight_map": names | {"w1": "../../elsewhere.safetensors"}}))
    with pytest.raises(GessoError, match="elsewhere"):
        read_hub(pipeline)
    index.write_text(json.dumps({"weight_map": names}))
    (unet / names["w2"]).unlink()
    with pytest.raises(GessoError, match="1 of 2 weights files are missing"):
        read_hub(pipeline)


def test_the_hubs_own_cache_is_a_folder_of_links(pipeline: Path, tmp_path: Path) -> None:
    cache = tmp_path / "models--x"
    snapshot, blobs = cache / "snapshots" / "abc", cache / "blobs"
    blobs.mkdir(parents=True)
    for number, file in enumerate(sorted(one for one in pipeline.rglob("*") if one.is_file())):
        shutil.copy(file, blobs / str(number))
        link = snapshot / file.relative_to(pipeline)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    assert read_hub(snapshot).sha256 == read_hub(pipeline).sha256


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def missing(folder: Path) -> None:
    shutil.rmtree(folder)


def cut(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-5])


def header_of_exabytes(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")


def pickled(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({"weight": 1}))


def disguised(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(pickle.dumps({"weight": 1}))


def link_out(folder: Path) -> None:
    outside = folder.parent / "secret.safetensors"
    save_file({"weight": torch.zeros(2, 3)}, str(outside))
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.unlink()
    file.symlink_to(outside)


def folder_link_out(folder: Path) -> None:
    shutil.move(folder / "unet", folder.parent / "unet")
    (folder / "unet").symlink_to(folder.parent / "unet")


def link_to_nothing(folder: Path) -> None:
    (folder / "unet" / "config.json").unlink()
    (folder / "unet" / "config.json").symlink_to(folder / "nothing")


def pipe(folder: Path) -> None:
    (folder / "unet" / "config.json").unlink()
    os.mkfifo(folder / "unet" / "config.json")


def no_part(folder: Path) -> None:
    shutil.rmtree(folder / "unet")


def of_the_system(folder: Path) -> None:
    told(folder / "model_index.json", unet=["os", "system"])


def code_of_its_own(folder: Path) -> None:
    (folder / "unet" / "my_unet.py").write_text("raise SystemExit('it was run')")
    told(folder / "model_index.json", unet=["my_unet", "MyUNet"])


def no_class(folder: Path) -> None:
    told(folder / "model_index.json", _class_name=None)


def path_as_name(folder: Path) -> None:
    told(folder / "model_index.json", **{"../unet": ["diffusers", "UNet2DConditionModel"]})


def many_layers(folder: Path) -> None:
    told(folder / "unet" / "config.json", num_layers=10**7)


def huge_number(folder: Path) -> None:
    told(folder / "unet" / "config.json", sample_size=10**30)


def long_list(folder: Path) -> None:
    told(folder / "unet" / "config.json", block_out_channels=[4] * 5000)


def deep(folder: Path) -> None:
    inner: Any = 1
    for _ in range(50):
        inner = {"a": inner}
    told(folder / "unet" / "config.json", a=inner)


def endless_schedule(folder: Path) -> None:
    told(folder / "scheduler" / "scheduler_config.json", num_train_timesteps=10**9)


def not_json(folder: Path) -> None:
    (folder / "unet" / "config.json").write_text("{")


def large_config(folder: Path) -> None:
    (folder / "unet" / "config.json").write_text(json.dumps({"a": "x" * 2**21}))


def list_as_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("[]")


HOSTILE: dict[Callable[[Path], None], str] = {
    empty: "neither model_index.json",
    missing: "no such folder",
    cut: "cut short",
    header_of_exabytes: "not a safetensors file",
    pickled: "may be a pickle",
    disguised: "Python pickle",
    link_out: "leads out of the folder",
    folder_link_out: "leads out of the folder",
    link_to_nothing: "link to nothing",
    pipe: "no regular file",
    no_part: "'unet' is missing",
    of_the_system: "is of 'os'",
    code_of_its_own: "is of 'my_unet'",
    no_class: "names no pipeline",
    path_as_name: "no name of a part",
    many_layers: "num_layers",
    huge_number: "sample_size",
    long_list: "a list of 5000",
    deep: "levels deep",
    endless_schedule: "num_train_timesteps",
    not_json: "not JSON",
    large_config: "larger than",
    list_as_index: "not a table",
}


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda one: one.__name__)
def test_what_is_wrong_is_said(pipeline: Path, spoil: Callable[[Path], None]) -> None:
    spoil(pipeline)
    with pytest.raises(GessoError, match=HOSTILE[spoil]) as caught:
        read_hub(pipeline)
    assert caught.value.where and caught.value.fix


def test_a_model_alone(tmp_path: Path) -> None:
    part(tmp_path, {"architectures": ["CLIPModel"], "projection_dim": 8})
    held = read_hub(tmp_path)
    assert isinstance(held.model, HubPart) and held.kind == "CLIPModel" and held.model.config["projection_dim"] == 8
