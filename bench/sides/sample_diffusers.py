"""diffusers' sampling loop (schedule, step by step, as its pipelines have it) over the same U-Net, or with --own-unet over its own.

One step of this side is one sample of a batch of pictures: flow matching with Euler steps, in float32, without guidance.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import torch
from work import FAR, Gate, Work, asked, num_parameters


def main() -> None:
    own = "--own-unet" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--own-unet"]
    given, gate = asked(), Gate()
    warnings.filterwarnings("ignore")
    import diffusers
    from own_unet import OwnUNet

    work = Work(given.recipe, given.preset, given.data, given.batch)
    _, batch = work.made(0)
    network: Any = (OwnUNet.like(work.network, batch) if own else work.network).eval()
    shape = tuple(batch.clean["image"].shape)
    if gate.ready(numbers="float32", version=f"diffusers {diffusers.__version__}", parameters=num_parameters(network)):
        return
    for step in range(FAR):
        schedule = diffusers.FlowMatchEulerDiscreteScheduler()
        schedule.set_timesteps(given.num_steps)
        with torch.no_grad():
            x = torch.randn(shape, generator=torch.Generator().manual_seed(step))
            for time in schedule.timesteps:
                noise = time.expand(shape[0]) / 1000
                velocity = -network(x, 1 - noise, batch.ports)  # the library's path runs the other way
                x = schedule.step(velocity, time, x, return_dict=False)[0]
        if gate.stepped():
            return


if __name__ == "__main__":
    main()
