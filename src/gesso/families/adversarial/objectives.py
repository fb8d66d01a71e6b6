"""What logits are worth to each player. With D(x) the critic's logit of a real picture and D(y) that of a generated one:

    NON_SATURATING   Goodfellow 2014, section 3
    HINGE            Lim and Ye 2017, equation 9; Miyato 2018, equation 16
    LEAST_SQUARES    Mao 2017, equation 9
    WASSERSTEIN      Arjovsky 2017, equations 2 and 3; needs a penalty on the critic's slope (`penalties.one_centred`)
    RELATIVISTIC     Jolicoeur-Martineau 2019, equations 9 and 10 with f = softplus; Huang 2024 ("R3GAN"), equation 2

All are losses: each player makes its own small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn.functional import relu, softplus

from gesso.judgement import Judgement, per_item

OfLogits = Callable[[Tensor, Tensor], Tensor]  # (logits of real pictures, logits of generated ones), both [b …] -> [b …]


@dataclass(frozen=True)
class Objective:
    """Losses of a critic and of a generator; `paired`: the generator's compares with the logits of real pictures.

    sure(real, fake): 1 where the critic takes a real picture for real, -1 where for generated; its mean is r_t (Karras 2020, ADA).
    absolute: a logit says by itself whether a picture is real. Where it does not, `sure` compares two pictures, of which a critic that
    has learned anything tells nearly all apart, so that r_t near 1 is no sign of overfitting.
    """

    critic: OfLogits
    generator: OfLogits
    paired: bool = False
    sure: OfLogits = lambda real, fake: real.sign()
    absolute: bool = field(default=True, metadata={"aside": True})

    def critic_loss(self, real: Judgement, fake: Judgement) -> Tensor:
        """The critic's loss per item [b], the mean over its scales."""
        return _mean([per_item(self.critic(x.float(), y.float())) for x, y in zip(real.logits, fake.logits, strict=True)])

    def generator_loss(self, real: Judgement | None, fake: Judgement) -> Tensor:
        """The generator's loss per item [b], the mean over the critic's scales."""
        assert real is not None or not self.paired
        others = real.logits if real is not None else fake.logits
        return _mean([per_item(self.generator(x.float(), y.float())) for x, y in zip(others, fake.logits, strict=True)])


def _mean(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else sum(values[1:], values[0]) / len(values)


NON_SATURATING = Objective(
    critic=lambda real, fake: softplus(-real) + softplus(fake),
    generator=lambda real, fake: softplus(-fake),
)
HINGE = Objective(
    critic=lambda real, fake: relu(1 - real) + relu(1 + fake),
    generator=lambda real, fake: -fake,
)
LEAST_SQUARES = Objective(
    critic=lambda real, fake: (real - 1) ** 2 + fake**2,
    generator=lambda real, fake: (fake - 1) ** 2,
    sure=lambda real, fake: (real - 0.5).sign(),
)
WASSERSTEIN = Objective(
    critic=lambda real, fake: fake - real,
    generator=lambda real, fake: -fake,
    sure=lambda real, fake: (real - fake).sign(),
    absolute=False,
)
RELATIVISTIC = Objective(
    critic=lambda real, fake: softplus(fake - real),
    generator=lambda real, fake: softplus(real - fake),
    paired=True,
    sure=lambda real, fake: (real - fake).sign(),
    absolute=False,
)
