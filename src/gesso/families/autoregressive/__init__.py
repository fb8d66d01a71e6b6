"""Models of sequences of codes: one after another, or many at once where they are sure."""

from gesso.families.autoregressive.masked import Masked
from gesso.families.autoregressive.sequence import Autoregressive

__all__ = ["Autoregressive", "Masked"]
