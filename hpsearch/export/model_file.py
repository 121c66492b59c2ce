"""A trial's trained model as a .keras file: raw images in, probabilities out."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from hpsearch.config.file import Objective
from hpsearch.config.trial import TrialConfig
from hpsearch.errors import EnvironmentProblem, HpsearchError
from hpsearch.export.trainings import ExportContext, train_one
from hpsearch.export.verification import accuracy_in, run_alone
from hpsearch.search.records import TrialRecord

_EVALUATE = """
import keras
import numpy as np

model = keras.saving.load_model({model!r})
with np.load({examples!r}) as arrays:
    images, labels = arrays["images"], arrays["labels"]
# Not `model.predict`, which makes float32 of float64 before the model sees it.
parts = [model.predict_on_batch(images[first : first + 1000]) for first in range(0, len(images), 1000)]
predicted = np.concatenate(parts).argmax(axis=-1)
print("val_accuracy", float((predicted == labels).mean()))
"""


def write_model(config: TrialConfig, objective: Objective, file: Path, context: ExportContext) -> TrialRecord:
    """Train the configuration, write the model of its best epoch, and return the record of the training.

    Raises:
        DataError: the dataset cannot be loaded.
        HpsearchError: the training diverged before its first finite epoch.
        EnvironmentProblem: the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.keras")
        record = train_one(config, objective, context, model)
        copy_model(model, file)
    return record


def copy_model(kept: Path, file: Path) -> None:
    """Copy a model to the file of an export.

    Raises:
        EnvironmentProblem: the file cannot be written.
    """
    try:
        shutil.copyfile(kept, file)
    except OSError as error:
        raise EnvironmentProblem(f"{file}: cannot be written: {error.strerror}") from None


def validation_accuracy(file: Path, config: TrialConfig, context: ExportContext) -> float:
    """Return the accuracy of a .keras file on the validation images, raw, in a process that cannot import hpsearch.

    Raises:
        HpsearchError: Keras does not load it, or it does not take the images.
        DataError: the dataset cannot be loaded.
    """
    data = context.data(config.data)
    with tempfile.TemporaryDirectory() as folder:
        examples, script = Path(folder, "validation.npz"), Path(folder, "evaluate.py")
        labels = data.examples.labels.numpy()
        np.savez(examples, images=data.raw[data.validation], labels=labels[data.validation])
        script.write_text(_EVALUATE.format(model=str(file.absolute()), examples=str(examples)), encoding="utf-8")
        try:
            accuracy = accuracy_in(run_alone(script, (), lambda _: None))
        except HpsearchError as error:
            raise HpsearchError(f"{file}: cannot be evaluated: {error}") from None
    if accuracy is None:
        raise HpsearchError(f"{file}: its accuracy on the validation images could not be had")
    return accuracy
