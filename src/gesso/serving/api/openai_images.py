"""Endpoints compatible with OpenAI's images API: /v1/images/generations and /v1/images/edits; the model is the name of a recipe.

The prompt goes to the condition whose control is the tool "words", or names a class of a condition with classes. If a recipe has
neither, a prompt is refused rather than ignored. Source: the Images part of OpenAI's API reference.
"""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Callable, Hashable
from typing import Any, Literal

import numpy as np
from fastapi import Request as Http
from pydantic import ConfigDict, Field

from gesso.card import Card, Slot
from gesso.errors import GessoError
from gesso.media.picture import encode_png, read_picture, to_white
from gesso.number import StrictNumbers, Whole, parse_whole
from gesso.request import MAX_SEED
from gesso.serving.api.generate import form_of, wait_for_result
from gesso.serving.decode.decoder import data_url_of
from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.http.routes import PICTURE_BODY, Routes, as_model, read_json
from gesso.serving.http_errors import HttpError
from gesso.serving.render.outputs import first_picture, output_file
from gesso.serving.render.renderer import RenderJob, RenderTicket
from gesso.serving.services import Services

MOST_PICTURES = 8  # per edit


class ImagesRequest(StrictNumbers):
    """A request of OpenAI's clients; `seed`, `settings`, `conditions` are Gesso's additions. The n pictures use seeds from `seed` on."""

    model_config = ConfigDict(extra="ignore")

    model: str
    prompt: str = Field(default="", max_length=32_000)
    n: Whole = Field(default=1, ge=1, le=8)
    size: str = Field(default="auto", pattern=r"^(auto|[0-9]{1,5}x[0-9]{1,5})$")
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: Literal["png"] = "png"
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED - 8)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=100)
    conditions: dict[str, Any] = Field(default_factory=dict, max_length=100)


def register(routes: Routes, services: Services) -> None:
    """Register the endpoints compatible with OpenAI's images API."""
    limits = services.settings.limits

    @routes.http("GET", "/v1/models", who=TOKEN, tags=["like OpenAI's"], summary="Recipes that make pictures")
    def models() -> Any:
        names = [name for name in services.catalogue.recipes() if first_picture(services.catalogue.card(name))]
        return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "gesso"} for name in names]}

    @routes.http(
        "POST",
        "/v1/images/generations",
        who=TOKEN,
        max_body=limits.json_bytes,
        reads=ImagesRequest,
        tags=["like OpenAI's"],
        summary="Pictures from words, or from nothing",
    )
    async def generations(http: Http) -> Any:
        with services.renderer.reserve(identity_of(http).owner) as queue:
            return await generate_images(http, services, queue, await read_json(http, ImagesRequest), {})

    @routes.http(
        "POST",
        "/v1/images/edits",
        who=TOKEN,
        max_body=limits.picture.max_bytes + 2**20,
        tags=["like OpenAI's"],
        summary="Pictures from pictures: each `image` goes to the recipe's next condition that takes one",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "required": ["image", "model"],
                            "properties": {name: {"type": "string"} for name in ("model", "prompt", "n", "size", "response_format", "seed")}
                            | {"image": PICTURE_BODY["schema"], "mask": PICTURE_BODY["schema"]},
                        }
                    }
                },
            }
        },
    )
    async def edits(http: Http) -> Any:
        if not http.headers.get("content-type", "").startswith("multipart/form-data"):
            raise HttpError("the body must be a multipart form", where="Content-Type", fix="multipart/form-data with an image")
        with services.renderer.reserve(identity_of(http).owner) as queue:
            async with form_of(http, max_files=MOST_PICTURES + 1) as form:
                fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
                pictures = [
                    await one.read() for name, one in form.multi_items() if name in ("image", "image[]") and not isinstance(one, str)
                ]
                mask = form.get("mask")
                mask_data = await mask.read() if mask is not None and not isinstance(mask, str) else None
            if not pictures:
                raise GessoError("holds no picture", where="image", fix="a form's file named image")
            numbers = {name: _number(fields, name) for name in ("n", "seed") if name in fields}
            asked = as_model({**{k: v for k, v in fields.items() if k not in ("settings", "conditions")}, **numbers}, ImagesRequest)
            return await generate_images(
                http, services, queue, asked, await asyncio.to_thread(read_pictures, services, asked.model, pictures, mask_data)
            )


async def generate_images(
    http: Http, services: Services, queue: Callable[[Hashable, RenderJob], RenderTicket], asked: ImagesRequest, pictures: dict[str, Any]
) -> Any:
    """Render n pictures as separate work, so that other users take turns between them."""
    owner = identity_of(http).owner
    card = await asyncio.to_thread(services.catalogue.card, asked.model)
    if first_picture(card) is None:
        raise GessoError(f"{card.name} makes no picture", where="model", fix="GET /v1/models lists those that do")
    conditions = asked.conditions | pictures | prompt_conditions(card, asked.prompt)
    fields = {"recipe": card.name, "conditions": conditions, "settings": settings_with_size(card, asked)}
    data = []
    for number in range(asked.n):
        request = await services.run_in_cpu_pool(services.sanitizer.sanitize_request, owner, {**fields, "seed": asked.seed + number})
        result = await wait_for_result(http, services, queue(("http", owner), RenderJob(owner, request, ("http", owner))))
        file = await services.run_in_cpu_pool(output_file, services.marker, result, result.shown)
        unsigned = {} if file.unsigned is None else {"unsigned": file.unsigned}
        if asked.response_format == "b64_json":
            data.append({"b64_json": base64.b64encode(file.data).decode("ascii"), **unsigned})
        else:
            pixels = result.outputs[result.shown]
            item = await asyncio.to_thread(services.files.put, owner, "output", file.data, size=(pixels.shape[1], pixels.shape[0]))
            host = http.headers["host"]
            scheme = "https" if host in services.settings.names else http.url.scheme  # as seen through a TLS proxy
            data.append({"url": f"{scheme}://{host}/api/outputs/{item.id}", **unsigned})
    return {"created": int(time.time()), "data": data}


def prompt_conditions(card: Card, prompt: str) -> dict[str, Any]:
    """The prompt as a condition; GessoError if the card has no condition for it."""
    if not prompt.strip():
        return {}
    controls = [(slot, slot.control()) for slot in card.conditions]
    for slot, control in controls:
        if control.get("tool") == "words":
            return {slot.name: slot.read(prompt)}
    for slot, control in controls:
        if prompt.strip() in control.get("classes", ()):
            return {slot.name: slot.read(prompt.strip())}
    classes = next((control["classes"] for _, control in controls if control.get("classes")), None)
    fix = "one of " + ", ".join(classes) if classes else "leave the prompt empty, and give the recipe's own conditions"
    raise GessoError(f"{card.name} does not understand words", where="prompt", fix=fix)


def settings_with_size(card: Card, asked: ImagesRequest) -> dict[str, Any]:
    """The settings, with `size` as the longest side if the recipe has that setting."""
    if asked.size == "auto":
        return asked.settings
    if "size" not in card.settings.model_fields:
        raise GessoError(f"the size of what {card.name} makes cannot be chosen", where="size", fix="auto")
    return asked.settings | {"size": max(map(int, asked.size.split("x")))}


def picture_slots(card: Card) -> list[Slot]:
    """Slots that a picture can fill: those whose value has a picture among its fields."""
    return [
        slot for slot in card.conditions if any(one.get("format") == "uri" for one in slot.kind.model_json_schema()["properties"].values())
    ]


def read_pictures(services: Services, model: str, pictures: list[bytes], mask: bytes | None) -> dict[str, Any]:
    """Decode the pictures into the card's picture conditions, in order. The transparent part of the mask is to be generated."""
    card = services.catalogue.card(model)
    slots = picture_slots(card)
    if len(pictures) > len(slots):
        raise GessoError(f"{card.name} takes {len(slots) or 'no'} pictures", where="image", fix="give fewer")
    clean = [services.decoder.clean(one, where="image").png for one in pictures]
    if mask is not None:
        clean[0] = with_mask(clean[0], services.decoder.clean(mask, where="mask").png)
    return {slot.name: slot.read(data_url_of(png)) for slot, png in zip(slots, clean, strict=False)}


def with_mask(picture: bytes, mask: bytes) -> bytes:
    """The picture, transparent where the mask is. Both are PNGs from the decoder."""
    pixels, cut = to_white(read_picture(io.BytesIO(picture), least_side=1)), read_picture(io.BytesIO(mask), least_side=1)
    if cut.shape[:2] != pixels.shape[:2]:
        raise GessoError("the mask and the image differ in size", where="mask", fix=f"{pixels.shape[1]} x {pixels.shape[0]}")
    alpha = cut[..., 3] if cut.ndim == 3 and cut.shape[2] == 4 else np.full(cut.shape[:2], 255, np.uint8)
    return encode_png(np.concatenate([pixels, alpha[..., None]], -1))


def _number(fields: dict[str, str], name: str) -> int:
    try:
        return parse_whole(fields[name])
    except ValueError as error:
        raise GessoError(str(error), where=name) from None
