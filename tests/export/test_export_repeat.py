"""Which seeds, how many epochs, and what is trained on everything; mean and interval over the seeds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from export.made import record_of
from pydantic import ValidationError
from support import sample_config

from hpsearch.config.file import Objective
from hpsearch.config.trial import TrainableConfig, with_seed, without_validation
from hpsearch.export.trainings import Part, Trained, needs_validation, seeds_of
from hpsearch.search.records import epochs_chosen, most_typical
from hpsearch.training.results import Best, Outcome

SCHEDULE = {"name": "reduce_on_plateau", "patience": 1}


def trained(values: list[float], seed: int = 0, **test: float) -> Trained:
    return Trained(record_of(sample_config(seed=seed), values), test)


def test_the_configurations_own_seed_comes_first_and_the_others_follow_it():
    assert seeds_of(sample_config(seed=7), 3) == [7, 8, 9]
    assert seeds_of(sample_config(seed=None), 2) == [0, 1]
    assert seeds_of(sample_config(seed=2**32 - 1), 2) == [2**32 - 1, 0]
    own = TrainableConfig("mine:train", {"x": 1}, seed=3)
    assert [with_seed(own, seed).plain() for seed in seeds_of(own, 2)] == [own.plain(), {**own.plain(), "seed": 4}]


def test_the_median_of_the_best_epochs_is_chosen():
    long, short, between = (trained(values).record for values in ([0.1, 0.2, 0.3], [0.5], [0.1, 0.2]))
    assert epochs_chosen([long, short, between]) == 2
    assert most_typical([long, short, between], 2) is between
    # A training without a best epoch has no say.
    diverged = replace(short, best=None)
    assert epochs_chosen([trained([0.1, 0.2, 0.3, 0.4]).record, between, diverged]) == 3
    assert most_typical([diverged], 2) is None


def test_on_everything_nothing_is_held_out_and_nothing_else_changes():
    config = sample_config(schedule="cosine", training={"max_epochs": 30})
    full = without_validation(config, 12, [0.1] * 20)
    assert (full.data.validation, full.training.stop_after, full.training.early_stopping) == (0, 12, None)
    # The schedule runs over as many epochs as it did.
    assert full.training.max_epochs == 30
    back = full.plain()
    back["data"]["validation"] = config.plain()["data"]["validation"]
    back["training"] |= {"stop_after": None, "early_stopping": config.plain()["training"]["early_stopping"]}
    assert back == config.plain()


def test_a_schedule_that_looks_at_validation_images_does_on_everything_what_it_did_with_them():
    full = without_validation(sample_config(schedule=SCHEDULE), 3, [0.1, 0.1, 0.01, 0.01])
    assert full.schedule.knobs()["values"] == (0.1, 0.1, 0.01)


@pytest.mark.parametrize(
    ("sections", "needed"),
    [
        ({}, True),
        ({"training": {"max_epochs": 9, "stop_after": 4}}, False),
        ({"training": {"max_epochs": 9, "stop_after": 4}, "schedule": SCHEDULE}, True),
        ({"data": {"dataset": "fashion_mnist_sample", "validation": 0}}, False),
    ],
)
def test_validation_images_choose_the_epochs_unless_the_configuration_says_them(sections, needed):
    assert needs_validation(sample_config(**sections)) is needed


def test_early_stopping_cannot_go_with_nothing_held_out():
    with pytest.raises(ValidationError, match="nothing is held out"):
        sample_config(data={"dataset": "fashion_mnist_sample", "validation": 0}, training={"max_epochs": 3})


def test_the_summary_of_a_part_is_over_its_good_seeds():
    part = Part((trained([0.5, 0.7], test_accuracy=0.6), trained([0.9], 1, test_accuracy=0.8)), Objective())
    summary = part.summary()
    assert summary["val_accuracy"].mean == pytest.approx(0.8)
    assert summary["test_accuracy"].std == pytest.approx(math.sqrt(0.02))
    # Student's t with one degree of freedom: 0.8 +- 12.7062 * 0.1, but no accuracy lies beyond 0 and 1.
    assert (summary["val_accuracy"].low, summary["val_accuracy"].high) == (0, 1)
    assert summary["val_accuracy"].method.endswith("cut to [0, 1]")
    diverged = Trained(record_of(sample_config(), [], outcome=Outcome.DIVERGED, best=None), {})
    assert Part((*part.trained, diverged), Objective()).summary()["val_accuracy"] == summary["val_accuracy"]
    assert [row["value"] for row in Part((*part.trained, diverged), Objective()).rows()] == [0.7, 0.9, None]


def test_one_training_is_told_as_it_always_was():
    plain = Part((trained([0.5, 0.7], 3, test_accuracy=0.6),), Objective()).plain()
    assert plain["seed"] == 3
    assert (plain["metric"], plain["value"], plain["epoch"]) == ("val_accuracy", 0.7, 2)
    assert (plain["outcome"], plain["epochs"], plain["seconds"]) == ("completed", 2, 2.0)
    assert plain["test_accuracy"] == 0.6
    assert "epoch_seconds" not in plain


def test_where_nothing_is_held_out_there_is_no_value():
    record = record_of(sample_config(), [0.5], best=Best(1, math.nan))
    part = Part((Trained(record, {}),), Objective(), full=True, epochs=1)
    assert part.plain()["value"] is None
    assert part.plain()["epochs_chosen"] == 1
    assert part.summary() == {}
