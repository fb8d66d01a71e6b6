"""Tiny pipelines of diffusers and a tiny CLIP of transformers with random parameters, saved as folders as their libraries save them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

WORDS = ("a", "red", "blue", "apple", "fox", "of", "the", "snow", "in")


def needs_hub() -> None:
    """Skip the test, with the reason, where the extra [hub] is not installed."""
    for name in ("diffusers", "transformers", "accelerate"):
        pytest.importorskip(name, reason=f"the extra [hub] is not installed ({name} is missing): pip install 'gesso[hub]'")


def stable_diffusion(folder: Path, *, channels: int = 4, kind: str = "StableDiffusionPipeline", controlled: bool = False) -> Path:
    """A Stable Diffusion of 32 × 32 pixels; `channels` 9 is one that only fills holes; `controlled` has a ControlNet too."""
    import diffusers

    unet = diffusers.UNet2DConditionModel(**_unet(channels))
    parts: dict[str, Any] = {"vae": _vae(4), "text_encoder": _clip_text(), "tokenizer": _tokenizer(folder), "unet": unet}
    parts["scheduler"] = diffusers.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )
    if controlled:
        parts["controlnet"] = _loud(diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16)))
        kind = "StableDiffusionControlNetPipeline"
    made = getattr(diffusers, kind)(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def flux(folder: Path) -> Path:
    """A FLUX of 32 × 32 pixels: a transformer, two text encoders, flow matching."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(0)
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=[4, 4, 8], guidance_embeds=True,
    )  # fmt: skip
    t5 = transformers.T5EncoderModel(transformers.T5Config(vocab_size=64, d_model=32, d_ff=37, d_kv=8, num_heads=4, num_layers=2)).eval()
    made = diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(4, shift_factor=0.06, scaling_factor=0.4),
        text_encoder=_clip_text(),
        tokenizer=_tokenizer(folder),
        text_encoder_2=t5,
        tokenizer_2=_t5_tokenizer(),
        transformer=transformer,
    )
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def stable_diffusion_xl(folder: Path) -> Path:
    """A Stable Diffusion XL of 32 × 32 pixels, with its two text encoders and sizes as conditions."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(0)
    sizes = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 80}
    unet = diffusers.UNet2DConditionModel(**{**_unet(4), "cross_attention_dim": 64, "transformer_layers_per_block": (1, 2), **sizes})
    second = transformers.CLIPTextModelWithProjection(_clip_text().config).eval()
    made = diffusers.StableDiffusionXLPipeline(
        vae=_vae(4), text_encoder=_clip_text(), text_encoder_2=second, tokenizer=_tokenizer(folder), tokenizer_2=_tokenizer(folder),
        unet=unet, scheduler=diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1),
        add_watermarker=False,
    )  # fmt: skip
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def clip(folder: Path) -> Path:
    """transformers' CLIP of 32 × 32 pixels with its processor."""
    import torch
    import transformers

    torch.manual_seed(0)
    text = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
    text |= {"max_position_embeddings": 24, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    eyes = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}
    transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=eyes, projection_dim=16)).save_pretrained(folder)
    _tokenizer(folder).save_pretrained(folder)
    about = {"image_processor_type": "CLIPImageProcessor", "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}
    (folder / "preprocessor_config.json").write_text(json.dumps(about | {"size": {"shortest_edge": 32}}))
    return folder


def in_half(folder: Path, to: Path) -> None:
    """A copy whose weights are in half precision, in files named as a variant, as large models are often kept."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, to)
    for file in to.rglob("*.safetensors"):
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in load_file(str(file)).items()}
        file.unlink()
        save_file(tensors, str(file.with_suffix(".fp16.safetensors")), {"format": "pt"})


def _unet(channels: int) -> dict[str, Any]:
    return {
        "block_out_channels": (8, 16), "layers_per_block": 1, "sample_size": 16, "in_channels": channels, "out_channels": 4,
        "norm_num_groups": 2, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 32, "attention_head_dim": 4,
    }  # fmt: skip


def _vae(latent: int, **more: Any) -> Any:
    import diffusers
    import torch

    torch.manual_seed(0)
    return diffusers.AutoencoderKL(
        block_out_channels=[8, 8], in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2, latent_channels=latent, norm_num_groups=2, use_quant_conv=not more,
        use_post_quant_conv=not more, **more,
    )  # fmt: skip


def _clip_text() -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    about = transformers.CLIPTextConfig(
        vocab_size=64, hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=24,
        bos_token_id=0, eos_token_id=1, pad_token_id=1, projection_dim=32,
    )  # fmt: skip
    return transformers.CLIPTextModel(about).eval()


def _loud(controlnet: Any) -> Any:
    """A ControlNet whose last layers are not zero, as after training, so that what it reads changes the picture."""
    import torch

    for part in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        torch.nn.init.normal_(part.weight, std=0.5)
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.5)
    return controlnet


def _tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer with letters and a few words."""
    import transformers

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    kept = folder.parent / f"{folder.name}-words"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (kept / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer.from_pretrained(kept, model_max_length=24)


def _t5_tokenizer() -> Any:
    import tokenizers
    import transformers

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((letter, -3.0) for letter in letters)]
    made = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, unk_id=2, byte_fallback=False))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=32
    )
