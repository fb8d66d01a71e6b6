"""A bare loop tuned by hand: channels last, autocast to bf16 where the CPU multiplies it, fused AdamW, averages in one call, nothing read
from tensors, freed memory kept, and batches made ahead in a process. With --held they are made before the clock starts."""

from __future__ import annotations

import math
from typing import Any

import torch
from work import Gate, Work, asked, loader, num_parameters

from gesso.training.device import choose_cpu, keep_memory


def main() -> None:
    given, gate = asked(), Gate()
    keep_memory()
    work = Work(given.recipe, given.preset, given.data, given.batch)
    chosen = choose_cpu()
    for network in work.networks.values():
        network.to(memory_format=torch.channels_last)
    optimisers = work.optimisers(fused=True)
    parameters = {role: list(network.parameters()) for role, network in work.players.items()}
    kept = [p for role in work.keeps for p in parameters[role]]
    average = [p.detach().clone() for p in kept]
    total = torch.zeros(())
    made: Any = None if given.held else iter(loader(work, num_workers=1))
    if gate.ready(numbers=chosen.reason, parameters=num_parameters(*work.players.values())):
        return
    held, step = list[Any](), 0
    while True:
        if given.held and not held:
            held = [work.made(step + n) for n in range(gate.num)]
            gate.start_clock()
        clean, batch = held.pop(0) if given.held else next(made)
        if work.looks(step):
            with chosen.computing():
                batch = work.seen(clean, batch)
        for phase in work.phases(step):
            for role, own in parameters.items():
                if len(parameters) > 1:
                    for p in own:
                        p.requires_grad_(role in phase.players)
            with chosen.computing():
                loss = work.loss(phase, batch, step)
            loss.backward()
            for role in phase.players:
                for group in optimisers[role].param_groups:
                    group["lr"] = work.settings[role].rate * work.factor(role, step)
                if work.clip(role) < math.inf:
                    torch.nn.utils.clip_grad_norm_(parameters[role], work.clip(role), foreach=True)
                optimisers[role].step()
                optimisers[role].zero_grad(set_to_none=True)
            with torch.no_grad():
                total += loss.detach()
        with torch.no_grad():
            torch._foreach_lerp_(average, kept, 1 - work.decay(step))
        step += 1
        if gate.stepped():
            return


if __name__ == "__main__":
    main()
