"""The manifest follows from the facts, and never claims that a camera or a person made the output."""

import pytest
from pydantic import ValidationError

from gesso.marking.manifest import GENERATION, MADE_BY_MODEL, WITH_A_HAND, manifest_of, source_type
from gesso.marking.signing_request import MOST_NODES, Branch, Input, SigningRequest
from unit.marking.example_request import A, B, C, example_request


def actions(request):
    return manifest_of(request)["assertions"][0]["data"]["actions"]


def test_a_visible_drawing_makes_the_output_a_composite():
    assert source_type(example_request()) == WITH_A_HAND
    assert source_type(example_request(inputs=(Input(condition="photo", kind="picture", sha256=A),))) == MADE_BY_MODEL
    assert source_type(example_request(inputs=())) == MADE_BY_MODEL


def test_inputs_are_ingredients_and_never_created_here():
    made = manifest_of(example_request())
    assert [(one["title"], one["relationship"]) for one in made["ingredients"]] == [("sketch", "componentOf"), ("reference", "inputTo")]
    assert [act["action"] for act in actions(example_request())] == ["c2pa.created", "c2pa.placed"]
    assert actions(example_request())[0]["parameters"] == {"ingredientIds": ["reference"]}
    assert actions(example_request())[1]["parameters"] == {"ingredientIds": ["sketch"]}
    assert "Capture" not in str(made) and "humanEdits" not in str(made)


def test_the_manifest_names_recipe_and_branch():
    said = next(one["data"] for one in manifest_of(example_request(weights={"model": C}))["assertions"] if one["label"] == GENERATION)
    assert said["recipe"] == "colorize" and said["weights"] == {"model": C}
    assert said["request"] == f"sha256:{A}" and said["record"] == f"sha256:{B}"
    assert said["branch"] == {"session": "session", "nodes": ["root", "leaf"], "num_nodes": 2}


def test_a_long_branch_keeps_its_root_and_its_end():
    nodes = [f"n{number}" for number in range(MOST_NODES + 500)]
    branch = Branch.of("s", nodes)
    assert branch.num_nodes == len(nodes) and len(branch.nodes) == MOST_NODES
    assert branch.nodes[0] == "n0" and branch.nodes[-1] == nodes[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"},
        {"author": "Vincent"},
        {"format": "image/jpeg"},
        {"record": "short"},
        {"recipe": "../../x"},
        {"weights": {"model": "not a hash"}},
        {"branch": {"session": "<b>", "nodes": ["x"], "num_nodes": 1}},
        {"inputs": [{"condition": "sketch", "kind": "sketch", "sha256": A, "relationship": "parentOf"}]},
    ],
)
def test_a_signing_request_has_no_other_fields(wrong):
    with pytest.raises(ValidationError):
        SigningRequest.model_validate(example_request().model_dump(mode="json") | wrong)
