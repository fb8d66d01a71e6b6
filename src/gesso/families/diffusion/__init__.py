"""Diffusion as a kit: an objective (what is learned), a sampler (how it is followed), guidance, and the few-step MeanFlow."""

from gesso.families.diffusion.denoise import Diffusion
from gesso.families.diffusion.mean_flow import MeanFlow
from gesso.families.diffusion.objectives import DenoisingObjective, Edm, Epsilon, FlowMatching, Velocity

__all__ = ["DenoisingObjective", "Diffusion", "Edm", "Epsilon", "FlowMatching", "MeanFlow", "Velocity"]
