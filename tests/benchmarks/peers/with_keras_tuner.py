"""KerasTuner: an oracle that goes through the list, a HyperModel with `build` and `fit`, the stock Tuner."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras_tuner  # type: ignore[import-untyped]

from ..task import Task
from .training import compiled_model, load_data, record


class ListOracle(keras_tuner.oracles.RandomSearchOracle):  # type: ignore[misc]
    """Proposes the entries of the list in their order."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        return {"status": "RUNNING", "values": {"index": int(trial_id)}}


class ListModel(keras_tuner.HyperModel):  # type: ignore[misc]
    """A configuration of the list."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task

    def _index(self, hp: Any) -> int:
        return int(hp.Int("index", 0, len(self._task.configurations) - 1))

    def build(self, hp: Any) -> Any:
        return compiled_model(self._task, self._index(hp))

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        index = self._index(hp)
        history = model.fit(*args, batch_size=self._task.configurations[index]["batch_size"], **kwargs)
        record(self._task, index, history)
        return history


def main(task: Task) -> None:
    objective = keras_tuner.Objective("val_accuracy", "max")
    tuner = keras_tuner.Tuner(
        ListOracle(objective=objective, max_trials=len(task.configurations)),
        ListModel(task),
        directory=str(task.home),
        project_name="search",
    )
    data = load_data(task.data)
    tuner.search(
        data.train_images,
        data.train_labels,
        epochs=task.settings.epochs,
        validation_data=(data.validation_images, data.validation_labels),
        verbose=0,
    )


if __name__ == "__main__":
    main(Task.load(Path(sys.argv[1])))
