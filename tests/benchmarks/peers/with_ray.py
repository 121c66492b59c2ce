"""Ray Tune: the list as a grid of indices, two actors of one CPU that are used again for trial after trial."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ray
from ray import tune

from ..task import Task


def train(config: dict[str, Any], task: Task) -> None:
    """One trial. An actor that is used again has imported TensorFlow and read the data already."""
    import keras

    from .training import compiled_model, fit, limit_threads

    class Report(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            tune.report(dict(logs or {}))

    limit_threads()
    keras.backend.clear_session()
    fit(task, config["index"], compiled_model(task, config["index"]), callbacks=[Report()])


def main(task: Task) -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=str(task.home / "ray"))
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(train, task=task), {"cpu": 1}),
        param_space={"index": tune.grid_search(list(range(len(task.configurations))))},
        tune_config=tune.TuneConfig(metric="val_accuracy", mode="max", reuse_actors=True),
        run_config=tune.RunConfig(name="list", storage_path=str(task.home / "ray_results"), verbose=0),
    )
    tuner.fit()


if __name__ == "__main__":
    main(Task.load(Path(sys.argv[1])))
