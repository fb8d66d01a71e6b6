"""A signing request as a C2PA manifest: the actions, the ingredients and the recipe.

Source: C2PA Technical Specification 2.x ("Actions", "Ingredient", "Digital source type"); IPTC's digital source type vocabulary.

- The first action is `c2pa.created`, never `c2pa.opened`, because every pixel is new. Its source type is IPTC's `trainedAlgorithmicMedia`
  where a model made everything visible, and `compositeWithTrainedAlgorithmicMedia` where an input is still visible (a slot that `stays`:
  the line over the flats, a protected part). IPTC defines the latter for a composite of model output and other media, such as in-painting.
  Neither the user's lines may be claimed for the model nor the model's colours for the user.
- The user's pictures are ingredients: `componentOf`, with the action `c2pa.placed`, where they stay visible, and `inputTo` where the model
  only read them. The manifest claims nothing about their origin; in particular never that they were captured or created here.
- The assertion `gesso.generation` has no domain prefix because the project has no domain.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from gesso.marking.signing_request import SigningRequest
from gesso.record import SOURCE_TYPE as MADE_BY_MODEL

WITH_A_HAND: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
GENERATION: Final = "gesso.generation"


def source_type(request: SigningRequest) -> str:
    return WITH_A_HAND if any(one.stays for one in request.inputs) else MADE_BY_MODEL


def manifest_of(request: SigningRequest) -> dict[str, Any]:
    """The manifest's definition, as c2pa's builder reads it."""
    agent = {"name": "Gesso", "version": request.gesso}
    created: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": source_type(request), "softwareAgent": agent}
    if request.time:
        created["when"] = request.time
    only_read = [one.condition for one in request.inputs if not one.stays]
    if only_read:
        created["parameters"] = {"ingredientIds": only_read}
    placed = [{"action": "c2pa.placed", "parameters": {"ingredientIds": [one.condition]}} for one in request.inputs if one.stays]
    return {
        "claim_generator_info": [agent],
        "title": f"{request.recipe} {request.output}",
        "ingredients": [
            {
                "label": one.condition,  # the id that the actions refer to
                "title": one.condition,
                "format": "image/png",
                "instance_id": f"xmp.iid:{UUID(one.sha256[:32])}",  # equal pictures have equal ids in all manifests
                "relationship": "componentOf" if one.stays else "inputTo",
            }
            for one in request.inputs
        ],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created, *placed]}, "created": True},
            {"label": GENERATION, "data": generation_of(request), "created": True},
        ],
    }


def generation_of(request: SigningRequest) -> dict[str, Any]:
    """The contents of `gesso.generation`: hashes and ids by which the record, request, weights and session can be matched."""
    facts = request.model_dump(mode="json", exclude={"format", "time", "inputs", "branch"}, exclude_none=True)
    facts |= {name: f"sha256:{facts[name]}" for name in ("request", "record", "pixels") if name in facts}
    facts["inputs"] = [{"condition": one.condition, "kind": one.kind, "sha256": one.sha256} for one in request.inputs]
    if request.branch is not None:
        facts["branch"] = request.branch.model_dump(mode="json")
    return facts
