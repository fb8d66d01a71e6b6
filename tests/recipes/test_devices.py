"""Every recipe computes on the device that its networks are on, shown on a device that does not exist: torch's fake tensors refuse an
operation whose tensors are on two devices, and noise drawn by a generator of the wrong device."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from gesso import recipes
from gesso.families.family import Fits, Samples, due_phases
from gesso.training.batch import BatchMaker
from gesso.verbs.generate import method_of
from gesso.verbs.training_outputs import slots_of
from recipes.test_every_recipe import examples, smallest
from recipes.test_recipes import assembled_at_random, brief, given_for

NEEDS_VALUES = (DataDependentOutputException, DynamicOutputShapeException)  # a fake tensor has none, so a step that reads them ends here
