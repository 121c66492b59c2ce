"""What is learned from a trained model beside its curve: its confusions and, at the very end, its test figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.catalogue.models import MODELS
from hpsearch.config.trial import TrialConfig
from hpsearch.training.examples import read_test_part
from hpsearch.training.portable import confusion_matrix, load_portable, predicted_classes, save_portable
from hpsearch.training.results import CONFUSION, TEST, TEST_EXAMPLES
from hpsearch.training.trainer import Trainer
from hpsearch.training.user_code import with_user_code


def keep_model(trainer: Trainer, file: Path) -> dict[str, Any]:
    """Write the model to a file; its confusion matrix on the validation images as a fact.

    Args:
        trainer: that has trained to its end.
    """
    model = save_portable(trainer, file)
    held_out = trainer.data.validation
    if not len(held_out):
        return {}
    images, labels = trainer.data.raw[held_out], np.asarray(trainer.data.examples.labels)[held_out]
    return {CONFUSION: confusion_matrix(labels, predicted_classes(model, images), trainer.data.classes)}


def read_test(config: TrialConfig, models: Sequence[str], folders: Sequence[Path]) -> dict[str, Any]:
    """Evaluate models on the test images, which are opened once for all of them.

    Args:
        config: whose dataset's test part; of a person's own model the module is imported, which may register layers.
        models: files that `keep_model` wrote.
        folders: where a user's own file is looked for.

    Returns:
        TEST: of each model, in their order, a mapping: `accuracy`; `confusion_matrix`; `hits`, which images it got
        right: a bit each, eight to a byte, the first image in the highest bit, in hexadecimal. TEST_EXAMPLES: how many
        images there were.
    """
    arrays = read_test_part(config.data, folders)
    with_user_code("model", MODELS[config.model.selected()], config.model.knobs())
    found = []
    for file in models:
        model = load_portable(file)
        predicted = predicted_classes(model, arrays.images)
        hits = predicted == arrays.labels
        found.append(
            {
                "accuracy": float(np.mean(hits)),
                CONFUSION: confusion_matrix(arrays.labels, predicted, model.output_shape[-1]),
                "hits": np.packbits(hits).tobytes().hex(),
            }
        )
    return {TEST: found, TEST_EXAMPLES: len(arrays.labels)}
