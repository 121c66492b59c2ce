"""Seconds of an epoch: our engines beside plain `model.fit`, in one process, in turns, at the same number of threads.

    python -m tests.benchmarks.engines --threads 1 --case mlp,1,5500 --case cnn,128,11000

A case is architecture, batch size, number of training images. The first epoch of each (tracing, compilation)
is not counted; the training pass alone is timed, without validation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

CASES = (
    "mlp,1,5500",
    "mlp,32,55000",
    "mlp,128,55000",
    "mlp,512,55000",
    "cnn,32,11000",
    "cnn,128,11000",
    "cnn,512,11000",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", action="append", help="architecture,batch size,images")
    asked = parser.parse_args()
    _limit_threads(asked.threads)
    print(f"{'case':18}{'who':8}{'s/epoch':>9}   {'range':16}{'fit / who':>10}   range", flush=True)
    for case in asked.case or CASES:
        architecture, batch, images = case.split(",")
        _report(case, _timed(_contenders(architecture, int(batch), int(images)), asked.repeats))


def _limit_threads(threads: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _contenders(architecture: str, batch: int, images: int) -> dict[str, Callable[[], Any]]:
    """One call trains an epoch."""
    import numpy as np

    from hpsearch.catalogue.models import MODELS
    from hpsearch.config.trial import TrialConfig
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables

    model = {"architecture": architecture, **({"batch_normalization": True} if architecture == "mlp" else {})}
    config = TrialConfig.model_validate({"model": model, "batch_size": batch, "data": {"validation": 5000}, "seed": 0})
    data = TrainingData.load(config.data)
    data = replace(data, training=data.training[:images])
    rates = np.full(-(-images // batch), 1e-3, np.float32)

    def ours(engine: str) -> Callable[[], Any]:
        chosen = config.model_copy(update={"training": config.training.model_copy(update={"engine": engine})})
        compiled = Executables().ready(chosen, data, weighted=False).engine
        return lambda: compiled.train(data.examples, data.training, rates, batch)

    engines = ["graph", "xla"] if MODELS[architecture].xla else ["graph"]
    return {"fit": _plain_fit(config, data), **{engine: ours(engine) for engine in engines}}


def _plain_fit(config: Any, data: Any) -> Callable[[], Any]:
    """`model.fit` as people write it: float images in memory, everything else at its default."""
    import keras

    from hpsearch.training.executable import build_model

    model = build_model(config, data)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    images = data.examples.images.numpy()[data.training].astype("float32") / 255
    labels = data.examples.labels.numpy()[data.training]
    return lambda: model.fit(images, labels, batch_size=config.batch_size, verbose=0)


def _timed(contenders: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(-1, repeats):
        for name, epoch in contenders.items():
            began = time.perf_counter()
            epoch()
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def _report(case: str, seconds: dict[str, list[float]]) -> None:
    for name, values in seconds.items():
        ratios = [fit / own for fit, own in zip(seconds["fit"], values, strict=True)]
        spread = f"{min(values):.2f} to {max(values):.2f}"
        faster = f"{statistics.median(ratios):10.1f}   {min(ratios):.1f} to {max(ratios):.1f}"
        print(f"{case:18}{name:8}{statistics.median(values):9.2f}   {spread:16}{faster}", flush=True)


if __name__ == "__main__":
    main()
