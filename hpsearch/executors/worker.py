"""The loop inside a worker process: take a job, train it, send the metrics of each epoch.

TensorFlow is imported once, by the process that the workers are forked from. A trial that raises
fails alone: the worker reports it and takes the next job.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from hpsearch.config.user_modules import use_folders
from hpsearch.errors import ContentChangedError, first_line
from hpsearch.executors import child
from hpsearch.executors.protocol import READY, THREADS, EpochDone, Job, TrialEnded
from hpsearch.executors.resources import SystemMetrics
from hpsearch.executors.user_content import UserContent
from hpsearch.training.results import TEST_METRICS, Outcome

if TYPE_CHECKING:
    from hpsearch.config.file import Objective
    from hpsearch.config.trial import TrialConfig
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables
    from hpsearch.training.trainer import Trainer

# TensorFlow keeps 1 MB of each structure that it has traced, XLA 4 MB, for ever (tests/benchmarks/memory.py).
MOST_BUILT = 25
# Other memory (of the user's own code) may grow by half over its size after the first trials.
FIRST_TRIALS, GROWTH = 8, 1.5
# When memory runs out, the kernel ends a worker and not the coordinator: 0 is the usual, 1000 the first to go.
OOM_SCORE = 500


class _Alone(Exception):
    """The coordinator is gone, and no process would receive the result."""


def serve_jobs(connection: Connection, threads: int, log: str, folders: Sequence[str], *, keras: bool) -> None:
    """Serve jobs until the coordinator closes the connection.

    Args:
        connection: receives jobs; sends EpochDone and TrialEnded; after each EpochDone it receives a bool:
            whether to train on.
        threads: of the numerical libraries in this process.
        log: file that takes what TensorFlow and user code print.
        folders: where a user's own modules are looked for; absolute.
        keras: whether hpsearch's own trainer trains, with TensorFlow.
    """
    child.set_up_process(connection, Path(log))
    # The coordinator decides what becomes of the workers.
    child.ignore_stop_signals()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    # The coordinator may have had them first in the path, as its current folder.
    sys.path[:] = [path for path in sys.path if path not in folders]
    use_folders([Path(folder) for folder in folders])
    _limit_threads(threads, keras=keras)
    user_folders = tuple(map(Path, folders))
    kept, coordinator = _Kept(user_folders, UserContent(user_folders)), _Coordinator(connection)
    try:
        coordinator.send(READY)
        while True:
            end = _run(coordinator.next(), coordinator, kept)
            coordinator.send(replace(end, needs_restart=kept.needs_restart(), info={**end.info, THREADS: threads}))
    except _Alone:
        child.end_now()


class _Coordinator:
    """The other end of the connection; a user's code may raise the very errors that a broken one does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, what: Any) -> None:
        try:
            self._connection.send(what)
        except OSError:
            raise _Alone from None

    def next(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            raise _Alone from None


@dataclass
class _Kept:
    """What a worker keeps from trial to trial: folders of the user's files, the last data, compiled functions."""

    folders: tuple[Path, ...]
    own: UserContent
    data_key: str = ""
    data: TrainingData | None = None
    executables: Executables | None = None
    trials: int = 0
    first_bytes: int = 0

    def needs_restart(self) -> bool:
        """Return whether a new worker should replace this one; called after each trial."""
        self.trials += 1
        now = psutil.Process().memory_info().rss
        if self.trials <= FIRST_TRIALS:
            self.first_bytes = now
        built = self.executables.built if self.executables else 0
        return built >= MOST_BUILT or now > GROWTH * self.first_bytes


def _run(job: Job, coordinator: _Coordinator, kept: _Kept) -> TrialEnded:
    try:
        return _train(job, coordinator, kept)
    except _Alone:
        raise
    except ContentChangedError as error:
        return TrialEnded(job.trial, Outcome.FAILED, str(error), "", {}, changed=True)
    # The user's own code may call `sys.exit`, or raise an exception of any class.
    except BaseException as error:
        text = traceback.format_exc()
        with suppress(OSError):  # of a full disk
            print(text, file=sys.stderr, flush=True)
        return TrialEnded(job.trial, Outcome.FAILED, first_line(error)[:500], text, {})


def _train(job: Job, coordinator: _Coordinator, kept: _Kept) -> TrialEnded:
    from hpsearch.config.file import Objective
    from hpsearch.config.trial import TrainableConfig, TrialConfig, parse_config
    from hpsearch.training.checkpoint import CheckpointWriter, read
    from hpsearch.training.trainable import TrainableTrainer

    config, objective = parse_config(job.config), Objective.model_validate(job.objective)
    kept.own.check_sources(job.sources)
    if job.inspects and isinstance(config, TrialConfig):
        return kept.own.inspect(job, config.data)
    if job.reads and isinstance(config, TrialConfig):
        kept.own.check_file(config.data, job.data)
        from hpsearch.training.portable import read_test

        return TrialEnded(job.trial, Outcome.COMPLETED, "", "", read_test(config, job.reads, kept.folders))
    trainer: Trainer | TrainableTrainer
    keep: Callable[[], None] | None = None
    if isinstance(config, TrainableConfig):
        # A trainable has no checkpoint, so it starts from the first epoch.
        trainer = TrainableTrainer(config, objective)
    else:
        trainer = _keras_trainer(config, objective, kept, job.data)
        if job.epochs:
            trainer.restore(read(Path(job.checkpoint)))
        if job.checkpoint:
            writer = CheckpointWriter(Path(job.checkpoint), job.config, job.limits.checkpoint_seconds)
            keep = partial(writer.offer, trainer.state)
    system = SystemMetrics() if job.system_metrics else None
    for epoch in trainer.epochs():
        coordinator.send(EpochDone(job.trial, system.added_to(epoch) if system else epoch))
        # A trial whose last epoch this was has trained to its end: it is complete and not pruned.
        if not coordinator.next() and not trainer.finished:
            if isinstance(trainer, TrainableTrainer) and trainer.at_end():
                break
            return TrialEnded(job.trial, Outcome.PRUNED, "", "", trainer.info)
        # Not before the coordinator has recorded the epoch.
        if keep and not trainer.finished:
            keep()
    info = dict(trainer.info)
    if not isinstance(trainer, TrainableTrainer) and trainer.best:
        info |= _of_best_epoch(job, trainer, kept)
    return TrialEnded(job.trial, trainer.outcome, "", "", info)


def _of_best_epoch(job: Job, trainer: Trainer, kept: _Kept) -> dict[str, Any]:
    """Save the model and measure the test metrics of the best epoch, where the job asks for them."""
    info: dict[str, Any] = {}
    if job.model:
        from hpsearch.training.portable import keep_model

        info |= keep_model(trainer, Path(job.model))
    if job.tests:
        tested = trainer.test(kept.folders)
        info |= dict(zip(TEST_METRICS, (tested.loss, tested.accuracy), strict=True))
    return info


def _keras_trainer(config: TrialConfig, objective: Objective, kept: _Kept, digest: str) -> Trainer:
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables
    from hpsearch.training.trainer import Trainer

    key = config.data.model_dump_json()
    if kept.data is None or key != kept.data_key:
        arrays = kept.own.arrays(config.data, digest)
        kept.data, kept.data_key = TrainingData.load(config.data, kept.folders, arrays), key
    kept.executables = kept.executables or Executables()
    return Trainer(config, objective, kept.data, kept.executables)


def _limit_threads(threads: int, *, keras: bool) -> None:
    # Read by NumPy, SciPy and scikit-learn when they are imported.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    if not keras:
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
