"""The loop of diffusers' training examples (train_unconditional): accelerate's prepare, backward and clipping, diffusers' schedule and EMA.

The network, the loss and the batches are the same as ours. With --own-unet the network is diffusers' UNet2DModel with about as many
parameters, which takes the class, noisy pixels and known pixels.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

from own_unet import OwnUNet
from work import FAR, Gate, Work, asked, loader, num_parameters


def main() -> None:
    own = "--own-unet" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--own-unet"]
    given, gate = asked(), Gate()
    warnings.filterwarnings("ignore")
    import accelerate
    import diffusers
    from diffusers.optimization import get_scheduler
    from diffusers.training_utils import EMAModel

    work = Work(given.recipe, given.preset, given.data, given.batch)
    if len(work.settings) > 1:
        raise SystemExit("diffusers' training examples have one player")
    if own:
        work.networks = {work.role: OwnUNet.like(work.network, work.made(0)[1])}
    accelerator = accelerate.Accelerator(mixed_precision="bf16" if given.bf16 else "no", cpu=True)
    model: Any = work.network
    parameters = num_parameters(model)
    average = EMAModel(model.parameters(), decay=work.stage.average, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    optimiser: Any = work.optimiser(work.role)
    schedule: Any = get_scheduler("cosine", optimizer=optimiser, num_warmup_steps=work.settings[work.role].warmup, num_training_steps=FAR)
    model, optimiser, batches, schedule = accelerator.prepare(model, optimiser, loader(work), schedule)
    work.networks[work.role] = model
    versions = f"accelerate {accelerate.__version__}, diffusers {diffusers.__version__}"
    if gate.ready(numbers="bf16" if given.bf16 else "float32", version=versions, parameters=parameters):
        return
    for step, (clean, made) in enumerate(batches):
        batch = work.seen(clean, made) if work.looks(step) else made
        with accelerator.accumulate(model):
            (phase,) = work.phases(step)
            loss = work.loss(phase, batch, step)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), work.clip(work.role))
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
        if accelerator.sync_gradients:
            average.step(model.parameters())
        loss.detach().item()  # for the progress bar of the examples
        if gate.stepped():
            return


if __name__ == "__main__":
    main()
