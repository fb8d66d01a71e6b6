"""A plain loop in float32, as tutorials write it: batches made when they are needed, AdamW and an average over parameters."""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch.optim.lr_scheduler import LambdaLR
from work import Gate, Work, asked, loader, num_parameters


def main() -> None:
    given, gate = asked(), Gate()
    work = Work(given.recipe, given.preset, given.data, given.batch)
    optimisers = work.optimisers()
    averages = {role: copy.deepcopy(work.networks[role]).requires_grad_(False) for role in work.keeps}
    schedules = [LambdaLR(one, partial(work.factor, role)) for role, one in optimisers.items()]
    if gate.ready(numbers="float32", parameters=num_parameters(*work.players.values())):
        return
    running = 0.0
    for step, (clean, made) in enumerate(loader(work)):
        batch = work.seen(clean, made) if work.looks(step) else made
        for phase in work.phases(step):
            for role in phase.players:
                optimisers[role].zero_grad()
            loss = work.loss(phase, batch, step)
            loss.backward()
            for role in phase.players:
                torch.nn.utils.clip_grad_norm_(work.networks[role].parameters(), work.clip(role))
                optimisers[role].step()
            running += loss.item()
        for schedule in schedules:
            schedule.step()
        with torch.no_grad():
            for role, average in averages.items():
                for mean, value in zip(average.parameters(), work.networks[role].parameters(), strict=True):
                    mean.lerp_(value, 1 - work.decay(step))
        if gate.stepped():
            return


if __name__ == "__main__":
    main()
