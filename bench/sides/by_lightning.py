"""Lightning's Trainer with its own clipping, precision and weight average; networks, losses and batches are the same.

Several players take turns by Lightning's manual optimisation, as its documentation's GAN does.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import torch
from work import Gate, Work, asked, loader, num_parameters


def main() -> None:
    given, gate = asked(), Gate()
    warnings.filterwarnings("ignore")
    import lightning as L
    from lightning.pytorch.callbacks import Callback, EMAWeightAveraging

    work = Work(given.recipe, given.preset, given.data, given.batch)

    several = len(work.settings) > 1
    clip = None if several else work.clip(work.role)

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.players = torch.nn.ModuleDict(work.players)
            self.automatic_optimization = not several

        def training_step(self, made: Any, step: int) -> Any:
            clean, batch = made
            batch = work.seen(clean, batch) if work.looks(step) else batch
            if not several:
                (phase,) = work.phases(step)
                loss = work.loss(phase, batch, step)
                self.log("loss", loss)
                return loss
            optimisers = dict(zip(work.settings, self.optimizers(), strict=True))
            for phase in work.phases(step):
                (player,) = [optimisers[role] for role in phase.players]
                self.toggle_optimizer(player)
                loss = work.loss(phase, batch, step)
                self.log(phase.name, loss)
                self.manual_backward(loss)
                player.step()
                player.zero_grad()
                self.untoggle_optimizer(player)
            for schedule in self.lr_schedulers():
                schedule.step()
            return None

        def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
            return batch  # there is one device

        def configure_optimizers(self) -> Any:
            made = work.optimisers()
            schedules = [torch.optim.lr_scheduler.LambdaLR(one, partial(work.factor, role)) for role, one in made.items()]
            return [*made.values()], [{"scheduler": one, "interval": "step"} for one in schedules]

    class Turns(Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
            trainer.should_stop = gate.stepped()

    trainer = L.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, precision="bf16-mixed" if given.bf16 else "32-true", gradient_clip_val=clip,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[EMAWeightAveraging(decay=work.stage.average), Turns()],
    )  # fmt: skip
    numbers = "bf16-mixed" if given.bf16 else "float32"
    if not gate.ready(numbers=numbers, version=f"lightning {L.__version__}", parameters=num_parameters(*work.players.values())):
        trainer.fit(Module(), loader(work))


if __name__ == "__main__":
    main()
