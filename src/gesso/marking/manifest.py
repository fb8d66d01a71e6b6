"""An order as a C2PA manifest: what was done, with what, and by which recipe.

Source: C2PA Technical Specification 2.x ("Actions", "Ingredient", "Digital source type"); IPTC's digital source type vocabulary.

- The first action is `c2pa.created`, never `c2pa.opened`: every pixel is written anew. Its source type is IPTC's
  `trainedAlgorithmicMedia` where a model made all that is seen, and `compositeWithTrainedAlgorithmicMedia` where something that a
  person gave is still seen in it (a slot that `stays`: the line over the flats, a part that is kept), since that vocabulary means the
  latter for trained media put together with other media, in-painting among them. Calling a drawn line a model's work would be as false
  as calling the colours the hand's.
- What a person gave is an ingredient: `componentOf` where it stays, with the action `c2pa.placed`, and `inputTo` where the model only
  looked at it. Nothing is said about where it came from; in particular never that it was captured or created here.
- The claim's own assertion, `gesso.generation`, has no domain in front because the project has none.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from gesso.marking.order import Order
from gesso.record import SOURCE_TYPE as MADE_BY_MODEL

WITH_A_HAND: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
GENERATION: Final = "gesso.generation"


def source_type(order: Order) -> str:
    return WITH_A_HAND if any(one.stays for one in order.inputs) else MADE_BY_MODEL


def manifest_of(order: Order) -> dict[str, Any]:
    """The manifest's definition, as c2pa's builder reads it."""
    agent = {"name": "Gesso", "version": order.gesso}
    created: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": source_type(order), "softwareAgent": agent}
    if order.time:
        created["when"] = order.time
    looked_at = [one.condition for one in order.inputs if not one.stays]
    if looked_at:
        created["parameters"] = {"ingredientIds": looked_at}
    placed = [{"action": "c2pa.placed", "parameters": {"ingredientIds": [one.condition]}} for one in order.inputs if one.stays]
    return {
        "claim_generator_info": [agent],
        "title": f"{order.recipe} {order.output}",
        "ingredients": [
            {
                "label": one.condition,  # what the actions above call it
                "title": one.condition,
                "format": "image/png",
                "instance_id": f"xmp.iid:{UUID(one.sha256[:32])}",  # the same picture is the same ingredient everywhere
                "relationship": "componentOf" if one.stays else "inputTo",
            }
            for one in order.inputs
        ],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created, *placed]}, "created": True},
            {"label": GENERATION, "data": generation_of(order), "created": True},
        ],
    }


def generation_of(order: Order) -> dict[str, Any]:
    """How it was made: enough to tell whether a record, a request, weights or a session are the ones that are meant."""
    told = order.model_dump(mode="json", exclude={"format", "time", "inputs", "branch"}, exclude_none=True)
    told |= {name: f"sha256:{told[name]}" for name in ("request", "record", "pixels") if name in told}
    told["inputs"] = [{"condition": one.condition, "kind": one.kind, "sha256": one.sha256} for one in order.inputs]
    if order.branch is not None:
        told["branch"] = order.branch.model_dump(mode="json")
    return told
