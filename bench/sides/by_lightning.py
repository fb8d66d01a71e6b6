"""Lightning's Trainer with its own clipping, precision and weight average; the network, the loss and the batches are the same."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from work import Gate, Work, asked, loader, num_parameters


def main() -> None:
    given, gate = asked(), Gate()
    warnings.filterwarnings("ignore")
    import lightning as L
    from lightning.pytorch.callbacks import Callback, EMAWeightAveraging

    work = Work(given.recipe, given.preset, given.data, given.batch)

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = work.network

        def training_step(self, made: Any, step: int) -> Any:
            clean, batch = made
            batch = work.seen(clean, batch, self.network) if work.looks(step) else batch
            loss = work.loss(batch, step, self.network)
            self.log("loss", loss)
            return loss

        def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
            return batch  # there is one device

        def configure_optimizers(self) -> Any:
            optimiser = work.optimiser(self.network)
            return [optimiser], [{"scheduler": torch.optim.lr_scheduler.LambdaLR(optimiser, work.factor), "interval": "step"}]

    class Turns(Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
            trainer.should_stop = gate.stepped()

    trainer = L.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, precision="bf16-mixed" if given.bf16 else "32-true", gradient_clip_val=work.clip,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[EMAWeightAveraging(decay=work.stage.average), Turns()],
    )  # fmt: skip
    numbers = "bf16-mixed" if given.bf16 else "float32"
    if not gate.ready(numbers=numbers, version=f"lightning {L.__version__}", parameters=num_parameters(work.network)):
        trainer.fit(Module(), loader(work))


if __name__ == "__main__":
    main()
