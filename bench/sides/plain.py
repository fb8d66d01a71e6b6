"""A plain loop in float32, as tutorials write it: batches made when they are needed, AdamW and an average over parameters."""

from __future__ import annotations

import copy

import torch
from work import Gate, Work, asked, loader, num_parameters


def main() -> None:
    given, gate = asked(), Gate()
    work = Work(given.recipe, given.preset, given.data, given.batch)
    network, optimiser = work.network, work.optimiser(work.network)
    average = copy.deepcopy(network).requires_grad_(False)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, work.factor)
    if gate.ready(numbers="float32", parameters=num_parameters(network)):
        return
    running = 0.0
    for step, (clean, made) in enumerate(loader(work)):
        batch = work.seen(clean, made, network) if work.looks(step) else made
        optimiser.zero_grad()
        loss = work.loss(batch, step, network)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), work.clip)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            for mean, value in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 1 - work.decay(step))
        running += loss.item()
        if gate.stepped():
            return


if __name__ == "__main__":
    main()
