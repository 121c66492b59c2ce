"""`--verify`: every format succeeds as it was written, and fails once it was tampered with."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from export.conftest import chosen_of
from support import sample_config

from hpsearch.config.trial import TrainableConfig
from hpsearch.errors import HpsearchError, StudyFileError
from hpsearch.export.formats import FORMATS, format_of
from hpsearch.export.selected import ReferenceValue, WinnerValues
from hpsearch.export.verification import verify

pytestmark = pytest.mark.e2e

SUFFIX = {"yaml": ".yaml", "json": ".json", "keras": ".json", "python": ".py", "model": ".keras"}


@pytest.fixture(scope="module")
def written(selected, context, tmp_path_factory) -> dict[str, Path]:
    """A file of each format."""
    folder, files = tmp_path_factory.mktemp("written"), {}
    for name, form in FORMATS.items():
        files[name] = folder / f"{name}{SUFFIX[name]}"
        form.write(selected, files[name], context)
    return files


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.e2e(but=("yaml", "python"))
def test_it_agrees_as_it_was_written(name, written, selected, context):
    verdict = verify(written[name], FORMATS[name], selected, context)
    assert not verdict.differences
    assert verdict.agrees, verdict.sentence
    assert verdict.reference.value > 0.6
    if name in ("yaml", "json", "model"):
        # The same seed and engine: to the last bit.
        assert verdict.reached == pytest.approx(verdict.reference.value, abs=1e-7)
        assert verdict.sentence.endswith("identical to the study's")


TAMPERED = {
    "yaml": [
        ("learning_rate: 0.1", "learning_rate: 0.2", ["trial.optimizer.learning_rate: was 0.1, is now 0.2"]),
        (
            "name: sgd",
            "name: rmsprop",
            None,
        ),
        ("seed: 7", "seed: 8", ["trial.seed: was 7, is now 8"]),
        ("metric: val_accuracy,", "metric: accuracy,", ["objective.metric: was 'val_accuracy', is now 'accuracy'"]),
    ],
    "json": [('"patience": 6', '"patience": 5', ["trial.training.early_stopping.patience: was 6, is now 5"])],
    "keras": [
        (
            '"momentum": 0.9,',
            '"momentum": 0.8,',
            ["optimizer.config.momentum: was 0.9, is now 0.8"],
        ),
        ('"decay_steps": 342.0', '"decay_steps": 34.0', ["schedule.config.decay_steps: was 342.0, is now 34.0"]),
        ('"metric": "val_accuracy"', '"metric": "accuracy"', ["figure.metric: was 'val_accuracy', is now 'accuracy'"]),
    ],
    "python": [
        (
            "keras.layers.Dropout(0.1)",
            "keras.layers.Dropout(0.2)",
            None,
        ),
        (".batch(100)", ".batch(10)", None),
        ('print("val_accuracy", ', 'print("val_accuracy 0.9") #', None),
    ],
}


@pytest.mark.parametrize(
    ("name", "was", "now", "lines"), [(name, *case) for name, cases in TAMPERED.items() for case in cases]
)
def test_a_tampered_file_is_named_and_not_trained(name, was, now, lines, written, selected, context, tmp_path):
    text = written[name].read_text()
    assert was in text
    file = tmp_path / written[name].name
    file.write_text(text.replace(was, now))
    try:
        verdict = verify(file, FORMATS[name], selected, context)
    except StudyFileError as error:
        # Another optimizer does not take these knobs.
        assert "nesterov" in str(error)  # noqa: PT017
        return
    assert not verdict.agrees
    assert verdict.reached is None
    assert verdict.differences
    assert lines is None or list(verdict.differences) == lines
    if name == "python":
        line = file.read_text().partition(now)[0].count("\n") + 1
        assert verdict.differences[0].startswith(f"line {line}: was ")


def test_comments_of_a_script_may_be_changed(written, selected, context, tmp_path):
    file = tmp_path / "train.py"
    text = written["python"].read_text()
    file.write_text(text.replace("# The initial weights", "# Mine: the initial weights").replace("Trial 3", "Mine"))
    assert file.read_text() != text
    assert not list(FORMATS["python"].differences(file, selected, context))


def test_a_model_of_other_weights_reaches_another_figure(written, selected, context, tmp_path):
    import keras
    import numpy as np

    model = keras.saving.load_model(written["model"])
    model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])
    model.save(tmp_path / "other.keras")
    verdict = verify(tmp_path / "other.keras", FORMATS["model"], selected, context)
    assert not verdict.agrees
    assert verdict.reached < 0.2
    assert ", outside of the study's 0." in verdict.sentence


def test_a_damaged_model_is_told_in_a_line(written, selected, context, tmp_path):
    damaged = tmp_path / "damaged.keras"
    with zipfile.ZipFile(written["model"]) as whole, zipfile.ZipFile(damaged, "w") as other:
        other.writestr("config.json", whole.read("config.json")[:100])
    with pytest.raises(HpsearchError, match=r"damaged\.keras: cannot be evaluated: ") as error:
        verify(damaged, FORMATS["model"], selected, context)
    assert "\n" not in str(error.value)


def test_a_training_that_reaches_something_else_does_not_agree(written, selected, context):
    rows = [replace(row, metrics={**row.metrics, "val_accuracy": 0.1}) for row in selected.record.epochs]
    somebody = replace(selected.record, epochs=tuple(rows))
    reference = ReferenceValue("val_accuracy", 0.1, 0.05, "of somebody else")
    other = replace(selected, record=somebody, winner=WinnerValues({reference.metric: reference}, "It won."))
    verdict = verify(written["yaml"], FORMATS["yaml"], other, context)
    assert not verdict.differences
    assert not verdict.agrees
    assert verdict.sentence.endswith("outside of the study's 0.1000 +- 0.0500 (of somebody else)")


def test_a_trial_that_did_not_end_has_nothing_to_be_held_against(context, tmp_path):
    selected = chosen_of(sample_config())
    FORMATS["yaml"].write(selected, tmp_path / "x.yaml", context)
    with pytest.raises(HpsearchError, match=r"^trial 3 of 'small' did not run to its end: "):
        verify(tmp_path / "x.yaml", FORMATS["yaml"], selected, context)


def test_the_tolerance_is_three_standard_errors(selected, context):
    reference = selected.reference(context)
    v = selected.record.epochs[selected.record.best.epoch - 1].metrics["val_accuracy"]
    assert reference.value == v
    assert reference.tolerance == pytest.approx(3 * (v * (1 - v) / 166) ** 0.5)
    assert reference.basis == "three standard errors of an accuracy on 166 validation examples"
    assert reference.agrees(v - reference.tolerance / 2)
    assert not reference.agrees(v - reference.tolerance * 1.01)


@pytest.mark.parametrize("name", ["keras", "python", "model"])
def test_a_training_of_ones_own_is_yaml_or_json(name, selected, context, tmp_path):
    own = replace(selected, record=replace(selected.record, config=TrainableConfig("mine:train", {"x": 1}, 0)))
    with pytest.raises(HpsearchError, match=r"^mine:train is your own training, which can be exported as yaml or json"):
        FORMATS[name].write(own, tmp_path / "x", context)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.yaml", "yaml"),
        ("a.yml", "yaml"),
        ("a.json", "json"),
        ("a.py", "python"),
        ("a.keras", "model"),
        ("a", "yaml"),
    ],
)
def test_the_format_is_what_the_file_is_called(file, name):
    assert format_of(Path(file), read=False).name == name
    assert format_of(None, read=False).name == "yaml"


def test_json_that_exists_is_what_is_in_it(written):
    assert format_of(written["json"], read=True).name == "json"
    assert format_of(written["keras"], read=True).name == "keras"


def test_every_text_says_figure_and_tolerance(written, selected, context):
    reference = selected.reference(context)
    for name in ("yaml", "json", "keras", "python"):
        text = " ".join(written[name].read_text().split())
        assert f"{reference.value:.4f} +- {reference.tolerance:.4f} (three standard errors" in text, name
