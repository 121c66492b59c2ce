"""Which waiting trial starts next, on the trials of a real study."""

from __future__ import annotations

import pytest

from hpsearch.config.matching import match
from hpsearch.config.study import load_study
from hpsearch.config.trial import TrialConfig
from hpsearch.executors.protocol import WorkerSlot
from hpsearch.search.home import Home
from hpsearch.search.jobs import choose_waiting
from hpsearch.search.storage import begin_study
from hpsearch.training.structure import needs_of, with_engine

# Nothing is left to the sampler, so what each trial needs is known. The longest may train 9 epochs: XLA.
STUDY = """
name: several
trial:
  data: {dataset: fashion_mnist_sample}
  model: {architecture: {choice: [mlp, cnn]}}
  optimizer:
    choice:
      - {name: sgd, learning_rate: {float: [0.01, 0.1]}, momentum: {one_minus: [0.1, 0.9]}, nesterov: false}
      - {name: adam, learning_rate: {float: [0.001, 0.01]}, beta_1: 0.9, beta_2: 0.999,
         clipnorm: {choice: [null, 1.0]}, clipvalue: {choice: [null, 1.0]}}
  batch_size: {choice: [64, 128]}
  schedule: constant
  training: {max_epochs: {choice: [5, 9]}}
search: {baselines: false}
enqueue:
"""


def entry(optimizer, batch_size, max_epochs, model="mlp", **knobs):
    more = {"learning_rate": 0.01} | ({"clipnorm": None, "clipvalue": None} if optimizer == "adam" else {}) | knobs
    return {
        "model": model,
        "optimizer": {"name": optimizer, **more},
        "batch_size": batch_size,
        "training": {"max_epochs": max_epochs},
    }


TRIALS = [
    entry("adam", 128, 5),
    entry("sgd", 128, 9, momentum=0.5),
    entry("sgd", 64, 9, momentum=0.2, learning_rate=0.02),
    entry("adam", 64, 5),
    entry("adam", 64, 5, clipnorm=1.0),
    entry("sgd", 128, 9, momentum=0.3, model="cnn"),
]
ADAM_128, SGD_128, SGD_64, ADAM_64, CLIPPED, CNN = range(len(TRIALS))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dispatch")
    file = folder / "several.yaml"
    file.write_text(STUDY + "".join(f"  - {trial}\n".replace("None", "null") for trial in TRIALS))
    spec = load_study(file)
    return spec, begin_study(Home(folder / "home"), spec, STUDY)


@pytest.fixture(scope="module")
def chosen(study):
    """chosen(places, among): the number of the trial that starts."""
    spec, opened = study
    waiting = opened.optuna.get_trials(deepcopy=False)

    def choice(*places, among=None):
        return choose_waiting(
            [waiting[number] for number in among] if among else waiting, spec.space, opened.engines, places
        ).number

    return choice


def needs(number):
    """What the trial needs, from what the file says of it."""
    written = TRIALS[number]
    fixed = {"nesterov": False} if written["optimizer"]["name"] == "sgd" else {"beta_1": 0.9, "beta_2": 0.999}
    config = TrialConfig.model_validate(
        {
            **written,
            "data": {"dataset": "fashion_mnist_sample"},
            "optimizer": written["optimizer"] | fixed,
            "schedule": "constant",
        }
    )
    return needs_of(with_engine(config, {"mlp": "xla", "cnn": "graph"}))


def free(*compiled):
    return WorkerSlot(False, frozenset().union(*map(needs, compiled)))


def busy(*compiled):
    return WorkerSlot(True, frozenset().union(*map(needs, compiled)))


def test_the_longest_starts_first_where_nothing_is_compiled(chosen):
    # Small batches take longer.
    assert chosen(free(), free()) == SGD_64
    assert chosen(free(), free(), among=(ADAM_128, SGD_128, ADAM_64)) == SGD_128
    assert chosen(free(), free(), among=(ADAM_128, ADAM_64)) == ADAM_64


def test_among_equals_the_first_that_was_enqueued_starts(chosen):
    assert chosen(free(), free(), among=(ADAM_128, ADAM_64, CLIPPED)) == ADAM_64
    assert chosen(free(), free(), among=(SGD_128, CNN)) == SGD_128


def test_what_a_free_worker_has_compiled_starts_there(chosen):
    for number in range(len(TRIALS)):
        assert chosen(free(number), busy()) == number
        assert chosen(busy(), free(), free(number)) == number


def test_what_is_compiled_for_another_batch_size_is_better_than_nothing(chosen):
    assert chosen(free(ADAM_128), free(), among=(SGD_64, ADAM_64)) == ADAM_64
    assert chosen(free(ADAM_128, SGD_128), free(), among=(SGD_64, ADAM_128)) == ADAM_128


def test_what_a_busy_worker_has_compiled_is_left_to_it(chosen):
    assert chosen(free(), busy(SGD_64), among=(SGD_64, SGD_128, ADAM_64)) == ADAM_64
    # The same structure is left to it, too, but rather for another batch size.
    assert chosen(free(), busy(SGD_64), among=(SGD_64, SGD_128)) == SGD_128
    # What a free one has compiled as well is not.
    assert chosen(free(SGD_64), busy(SGD_64), among=(SGD_64, SGD_128, ADAM_64)) == SGD_64


def test_with_one_place_or_one_trial_the_order_is_untouched(chosen):
    assert chosen(free(SGD_64)) == ADAM_128
    assert chosen(free(SGD_64), among=(CNN, SGD_64)) == CNN
    assert chosen(free(SGD_64), busy(), among=(CNN,)) == CNN


def test_a_trial_that_cannot_be_trained_waits_for_the_others(study, chosen):
    spec, opened = study
    impossible = entry("adam", 64, 9, clipnorm=1.0, clipvalue=1.0)
    opened.optuna.enqueue_trial(match(spec.space, impossible).params)
    waiting = opened.optuna.get_trials(deepcopy=False)
    places = [free(), free()]
    assert choose_waiting([waiting[-1], waiting[ADAM_128]], spec.space, opened.engines, places).number == ADAM_128
    assert choose_waiting([waiting[-1]], spec.space, opened.engines, places).number == len(TRIALS)
