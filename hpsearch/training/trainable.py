"""A user's own training: a function that yields the metrics of each epoch, used like a Trainer."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from typing import Any

from hpsearch.catalogue.metrics import recorded_name
from hpsearch.config.file import Objective
from hpsearch.config.trial import TrainableConfig
from hpsearch.errors import HpsearchError, UserCodeError, first_line
from hpsearch.training.results import Best, EpochMetrics, Outcome, best_after
from hpsearch.training.user_code import load_function


class TrainableTrainer:
    """Trains by `module:function`, called as `function(values, seed)`; iterate `epochs()` once.

    The function yields a mapping from metric names to numbers after each epoch of its own, the objective's metric
    among them, and ends when it has trained enough. A metric that has one of hpsearch's names is recorded under another
    one (`hpsearch.catalogue.metrics`). To stop early, call `at_end` (only the function knows whether that was its last
    epoch), then close the iterator.

    Args:
        config: the name of the function, and its arguments.
        objective: decides the best epoch.

    Attributes:
        best: the best epoch so far; None before the first finite one.
        outcome: how it ended, once it has.
        finished: whether the epoch just yielded is known to be the last one.
        info: always empty; present as in Trainer.

    Raises:
        HpsearchError: there is no such module or function.
    """

    def __init__(self, config: TrainableConfig, objective: Objective) -> None:
        self.config, self.objective = config, objective
        self._function = load_function(config.trainable, "trainable")
        self.best: Best | None = None
        self.outcome = Outcome.COMPLETED
        self.finished = False
        self.info: dict[str, Any] = {}
        self._source: Iterator[Any] = iter(())

    def epochs(self) -> Iterator[EpochMetrics]:
        """Train, and yield the metrics of each epoch.

        Raises:
            HpsearchError: the function yields no mapping of numbers, or one without the objective's metric.
            Exception: of any class, raised by the function.
        """
        name = self.config.trainable
        self._source = source = self._function(dict(self.config.values), self.config.seed or 0)
        if not isinstance(source, Iterator):
            raise HpsearchError(f"trainable: {name} must yield a mapping an epoch, but returned {source!r:.60}")
        try:
            began = time.perf_counter()
            for number, given in enumerate(source, start=1):
                metrics = {recorded_name(name): value for name, value in self._checked(given).items()}
                epoch = EpochMetrics(number, {**metrics, "epoch_seconds": time.perf_counter() - began})
                if not epoch.finite:
                    self.outcome, self.finished = Outcome.DIVERGED, True
                    yield epoch
                    return
                self.best = best_after(self.best, epoch, self.objective)
                yield epoch
                began = time.perf_counter()
        except SystemExit as error:
            raise UserCodeError(f"trainable: '{name}' raised {first_line(error)}") from error
        finally:
            if isinstance(source, Generator):
                source.close()

    def at_end(self) -> bool:
        """Return whether the epoch just yielded is the function's last one, by running the function for another.

        This may take as long as an epoch, and nothing can be trained afterwards. A function that raises now had more to
        do: the error is printed, and the result is False.
        """
        try:
            next(self._source)
        except StopIteration:
            return True
        # The user's own code may call `sys.exit`, or raise an exception of any class.
        except BaseException:
            with suppress(OSError):  # of a full disk
                print(traceback.format_exc(), file=sys.stderr, flush=True)
        return False

    def _checked(self, given: Any) -> dict[str, float]:
        name, metric = self.config.trainable, self.objective.metric
        if not isinstance(given, Mapping):
            raise HpsearchError(f"trainable: {name} must yield mappings of metrics, but yielded {given!r:.60}")
        metrics = {}
        for key, value in given.items():
            number = _number(value)
            if not isinstance(key, str) or number is None:
                raise HpsearchError(f"trainable: {name} must yield numbers by name, but yielded {key!r}: {value!r:.60}")
            metrics[key] = number
        if metric not in metrics:
            has = ", ".join(metrics) or "nothing"
            raise HpsearchError(f"trainable: {name} must yield the objective's metric '{metric}', but yielded {has}")
        return metrics


def _number(value: Any) -> float | None:
    """Return the number that a value holds; None where it holds none, or several.

    Scalars of NumPy, TensorFlow, PyTorch and Keras are numbers, too, and a Keras metric counts as its result.
    """
    if isinstance(value, str | bytes | bytearray):
        return None
    try:
        result = getattr(value, "result", None)
        value = result() if callable(result) else value
        # Arrays, tensors and variables of one element. Only some of them have `__float__`.
        value = value.numpy() if hasattr(value, "numpy") else value
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, str | bytes) else float(value)
    # What holds no single number raises errors of many kinds.
    except Exception:
        return None
