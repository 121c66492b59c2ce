"""Which engine trains a configuration, and what it needs to have compiled."""

from __future__ import annotations

from typing import get_args

import pytest
from training.stock import small

from hpsearch.catalogue.models import MODELS
from hpsearch.catalogue.optimizers import OPTIMIZERS
from hpsearch.training.structure import engines_for, needs_of, structure_of, with_engine


@pytest.mark.parametrize(
    ("max_epochs", "fast"), [(1, set()), (4, set()), (5, {"perceptron", "mlp", "deep_mlp", "rnn"})]
)
def test_auto_is_xla_for_dense_and_recurrent_models_that_train_long_enough(max_epochs, fast):
    chosen = engines_for(max_epochs)
    assert {name for name, engine in chosen.items() if engine == "xla"} == fast
    assert set(chosen) == set(MODELS)
    for architecture in ("mlp", "cnn"):
        config = small("auto", model=architecture)
        assert with_engine(config, chosen).training.engine == chosen[architecture]
        assert with_engine(config, chosen).training.max_epochs == config.training.max_epochs


def test_auto_is_the_graph_for_a_model_with_dropout():
    engines = {}
    for dropout in (0.0, 0.3):
        config = small("auto", model={"architecture": "mlp", "units": [8], "dropout": dropout})
        engines[dropout] = with_engine(config, engines_for(100)).training.engine
    assert engines == {0.0: "xla", 0.3: "graph"}


@pytest.mark.parametrize("engine", ["graph", "xla", "fit"])
def test_an_engine_that_is_named_stays(engine):
    assert with_engine(small(engine), engines_for(100)).training.engine == engine
    assert with_engine(small(engine), engines_for(1)).training.engine == engine


def test_xla_needs_its_structure_for_each_size_of_a_batch():
    graph, xla = needs_of(small("graph", batch_size=10)), needs_of(small("xla", batch_size=10))
    assert graph == needs_of(small("graph", batch_size=20))
    assert len(graph) == 1
    assert not graph & xla
    assert len(xla & needs_of(small("xla", batch_size=20))) == 1
    assert xla == needs_of(small("xla", batch_size=10, seed=1, schedule="cosine"))


MLP = {"architecture": "mlp", "units": [16]}
LOSS = {"name": "categorical_crossentropy"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"model": MLP | {"dropout": 0.1}}, {"model": MLP | {"dropout": 0.9}}),
        ({"model": MLP | {"l1": 0.1, "l2": 1.0}}, {"model": MLP | {"l1": 0.2, "l2": 3.0}}),
        ({"loss": LOSS | {"label_smoothing": 0.1}}, {"loss": LOSS | {"label_smoothing": 0.2}}),
        ({"optimizer": {"name": "adam", "clipnorm": 0.1}}, {"optimizer": {"name": "adam", "clipnorm": 2.0}}),
        ({"training": {"class_weight": [1] * 10}}, {"training": {"class_weight": "balanced"}}),
        ({"training": {"callbacks": ["a:b"]}}, {"training": {"max_epochs": 7}}),
    ],
)
def test_numbers_of_one_structure_differ(one, other):
    assert structure_of(small(**one)) == structure_of(small(**other))


@pytest.mark.parametrize("row", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_only_the_structural_numbers_of_an_optimizer_make_another_structure(row):
    for knob in row.knobs:
        if isinstance(knob.default, float) or float in get_args(knob.type):
            sign = -1 if knob.le == 0 else 1
            one, other = (structure_of(small(optimizer={"name": row.name, knob.name: sign * x})) for x in (0.3, 0.6))
            assert (one != other) == knob.structural, knob.name


@pytest.mark.parametrize(
    "other",
    [
        {"model": MLP | {"dropout": 0.1}},
        {"model": MLP | {"l1": 0.1}},
        {"model": MLP | {"l2": 0.1}},
        {"loss": LOSS | {"label_smoothing": 0.1}},
        {"optimizer": {"name": "sgd", "clipnorm": 0.1}},
        {"optimizer": {"name": "sgd", "weight_decay": 0.1}},
        {"optimizer": {"name": "sgd", "use_ema": True}},
        {"training": {"class_weight": "balanced"}},
        {"training": {"metrics": ["f1_score"]}},
        {"training": {"engine": "fit"}},
    ],
)
def test_what_is_switched_on_makes_another_structure(other):
    assert structure_of(small(**other)) != structure_of(small())
