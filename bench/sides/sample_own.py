"""Our sampler: one step of this side is one sample of a batch of pictures, without guidance, by the recipe's own family."""

from __future__ import annotations

import torch
from work import FAR, Gate, Work, asked, num_parameters

from gesso import recipes
from gesso.families.family import Inputs


def main() -> None:
    given, gate = asked(), Gate()
    work = Work(given.recipe, given.preset, given.data, given.batch)
    recipe = recipes.find(given.recipe)
    settings = recipe.card.settings(num_steps=given.num_steps, guidance_scale=1.0)
    _, batch = work.made(0)
    network = work.network.eval().to(memory_format=torch.channels_last)
    shape, items = tuple(batch.clean["image"].shape), range(len(batch))
    if gate.ready(numbers="float32", parameters=num_parameters(network)):
        return
    inputs = Inputs(batch.ports, batch.ports, shape, items, previews=False)
    for step in range(FAR):
        with torch.inference_mode():
            for _ in work.stage.family.sample(work.networks, inputs, torch.Generator().manual_seed(step), settings):
                pass
        if gate.stepped():
            return


if __name__ == "__main__":
    main()
