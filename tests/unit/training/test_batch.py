"""Batches are functions of (seed, step): made alone, in advance or again, they are the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from gesso.card import Slot
from gesso.conditions.picture import Picture
from gesso.datasets.dataset import ORDER
from gesso.errors import GessoError
from gesso.families.family import Batch
from gesso.training.batch import BatchMaker, Prefetcher, example_of
from unit.training import toy

SLOTS = toy.card("toy").conditions


def maker(seed: int = 1, batch_size: int = 4, **more: Any) -> BatchMaker:
    return BatchMaker(toy.Numbers(), SLOTS, batch_size, seed, **more)


def same(one: Batch, two: Batch) -> bool:
    vectors = one.ports.vector is not None and two.ports.vector is not None and torch.equal(one.ports.vector, two.ports.vector)
    clean = all(torch.equal(one.clean[k], two.clean[k]) for k in one.clean)
    return vectors and clean and torch.equal(one.index, two.index) and one.truth == two.truth


def test_the_same_seed_and_step_give_the_same_batch_in_any_order() -> None:
    one = {step: maker().batch(step) for step in (5, 0, 17)}
    whole = maker()
    assert all(same(one[step], whole.batch(step)) for step in (0, 17, 5, 5))
    assert not same(one[0], maker(seed=2).batch(0)) and not same(one[0], one[5])


def test_each_epoch_sees_each_example_once() -> None:
    made = maker(batch_size=7)
    seen = np.concatenate([made.indices(step) for step in range(50)])
    for epoch in range(7):
        assert Counter(seen[epoch * 50 : (epoch + 1) * 50]) == Counter(range(50))
    assert not np.array_equal(seen[:50], seen[50:100])


def test_a_batch_may_be_larger_than_the_data() -> None:
    assert Counter(maker(batch_size=150).indices(0)) == Counter(list(range(50)) * 3)


def test_conditions_are_dropped_at_the_slots_rate() -> None:
    made = maker(batch_size=50)
    given = torch.cat([made.batch(step).ports.vector[:, 1] for step in range(10)])
    assert 0.62 < given.mean() < 0.78  # drop=0.3 of 500
    batch = made.batch(0)
    for there, truth in zip(batch.ports.vector[:, 1], batch.truth["guess"], strict=True):
        assert bool(truth) == bool(there)


def test_the_given_output_changes_only_the_simulated_input() -> None:
    made = maker()
    clean_batch = made.clean_batch(3)
    get, seen = made.with_conditions(clean_batch), made.with_conditions(clean_batch, torch.full((4, 1), 2.0, requires_grad=True))
    assert torch.equal(get.clean["x"], seen.clean["x"]) and get.truth == seen.truth
    there = get.ports.vector[:, 1] == 1
    assert there.any() and torch.allclose(get.ports.vector[there, 0] - 1.0, seen.ports.vector[there, 0])
    with pytest.raises(GessoError, match="3 outputs for 4 items"):
        made.with_conditions(clean_batch, [None] * 3)


def test_null_drops_every_condition() -> None:
    made = maker()
    assert torch.equal(made.null(made.clean_batch(0)).vector, torch.zeros(4, 2))


@pytest.mark.parametrize("look_every", [0, 1, 3])
def test_prefetched_batches_equal_batches_made_alone(look_every: int) -> None:
    made, alone = Prefetcher(maker(), 20, look_every), maker()
    try:
        for step in (*range(8), *range(4, 20)):  # and going back
            if step == 4:
                made.discard()
            clean_batch, batch = made.get(step)
            assert same(batch, alone.batch(step))
            if made.shows_output(step):
                given = [np.array([float(step)])] * 4
                assert same(made.get_with_output(clean_batch, given), alone.with_conditions(alone.clean_batch(step), given))
    finally:
        made.close()


def test_an_example_that_cannot_be_made_is_named() -> None:
    class Holed(toy.Numbers):
        def item(self, index: int, rng: np.random.Generator) -> Any:
            if index == 7:
                raise OSError("no such picture")
            return super().item(index, rng)

    made = Prefetcher(BatchMaker(Holed(), SLOTS, 50, 0), 1)
    try:
        with pytest.raises(GessoError, match="numbers: example 7 could not be made: OSError: no such picture"):
            made.get(0)
    finally:
        made.close()
    with pytest.raises(GessoError, match="no examples"):
        BatchMaker(toy.Numbers(0), SLOTS, 4, 0)


def test_a_dataset_may_choose_a_view_a_frame_and_weights() -> None:
    class Sized(toy.Numbers):
        def __init__(self, scale: float = 1.0) -> None:
            super().__init__()
            self.scale = scale
            self.weights = np.arange(50) == 3

        def for_batch(self, rng: np.random.Generator) -> Sized:
            return Sized(float(rng.integers(2, 9)))

        def item(self, index: int, rng: np.random.Generator) -> Any:
            return {"x": self.x[index] * 0 + self.scale, "y": self.y[index]}

        def frame(self, items: Any) -> Any:
            from gesso.ports import Frame

            return Frame((int(items[0]["x"][0]), 1))

    made = BatchMaker(Sized(), SLOTS, 4, 0)
    batches = [made.clean_batch(step) for step in range(12)]
    assert all(d.index.tolist() == [3, 3, 3, 3] for d in batches)
    assert all(len(set(d.clean["x"].flatten().tolist())) == 1 for d in batches) and len({d.frame.size for d in batches}) > 2


def test_images_are_channels_last_if_chosen() -> None:
    class Pictures(toy.Numbers):
        def stack(self, items: Any) -> Any:
            return {"x": torch.zeros(len(items), 3, 4, 4)}

    for chosen in (False, True):
        x = BatchMaker(Pictures(), SLOTS, 4, 0, channels_last=chosen).batch(0).clean["x"]
        assert x.is_contiguous(memory_format=torch.channels_last) == chosen


def test_all_random_streams_have_different_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    real = np.random.default_rng

    def watched(key: Any) -> np.random.Generator:
        begun.append((tuple(np.atleast_1d(key)), tuple(np.random.SeedSequence(key).generate_state(4).tolist())))
        return real(key)

    monkeypatch.setattr(np.random, "default_rng", watched)
    made = maker(batch_size=10)  # five steps an epoch
    for step in range(20):
        made.batch(step)
    keys = {key for key, _ in begun}
    assert len({state for _, state in begun}) == len(keys) > 500
    assert sum(key[-1] == ORDER for key in keys) == 4 and sum(len(key) == 3 for key in keys) == 4 + 20 * 10


def test_a_slot_may_name_the_key_that_its_users_read() -> None:
    item = {"picture": "the target", "photo": "the source", "label": 3}
    plain, other = Slot(name="photo", kind=Picture), Slot(name="photo", kind=Picture, source="photo")
    assert example_of(plain, item)["picture"] == "the target" and example_of(other, item)["picture"] == "the source"
    assert example_of(other, item)["slot"] is other and item == {"picture": "the target", "photo": "the source", "label": 3}


class Drawn(toy.Numbers):
    """A data set that says which examples a step reads."""

    def indices(self, step: int, batch_size: int, seed: int) -> np.ndarray:
        return np.arange(step, step + 3)


def test_a_data_set_may_choose_the_examples_of_a_step() -> None:
    maker = BatchMaker(Drawn(), toy.card("drawn").conditions, 8, 0)
    assert maker.clean_batch(5).index.tolist() == [5, 6, 7] and len(maker.batch(5)) == 3
