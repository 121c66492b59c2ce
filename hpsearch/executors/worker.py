"""The loop inside a worker process: take a job, train it, send the metrics of each epoch.

TensorFlow is imported once, by the process that the workers are forked from. If a trial raises an exception, only this
trial fails: the worker reports it and takes the next job.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from hpsearch.config.user_modules import use_folders
from hpsearch.errors import ContentChangedError, first_line
from hpsearch.executors import child
from hpsearch.executors.protocol import READY, THREADS, Decision, EpochDone, Job, TrialEnded
from hpsearch.executors.resources import SystemMetrics
from hpsearch.executors.user_content import UserContent
from hpsearch.training.results import TEST_METRICS, Outcome

if TYPE_CHECKING:
    from hpsearch.config.file import Objective
    from hpsearch.config.trial import TrialConfig
    from hpsearch.training.checkpoint import CheckpointWriter
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables
    from hpsearch.training.trainable import TrainableTrainer
    from hpsearch.training.trainer import Trainer

# A worker is replaced after it has built this many executables: of each, TensorFlow keeps 1 MB and XLA 4 MB until the
# process ends (tests/benchmarks/memory.py).
MOST_BUILT = 25
# It is also replaced when its memory, that of the user's own code included, exceeds GROWTH times what it held after its
# first FIRST_TRIALS trials.
FIRST_TRIALS, GROWTH = 8, 1.5
# When memory runs out, the kernel ends a worker and not the coordinator: the default is 0, and 1000 is ended first.
OOM_SCORE = 500


class _CoordinatorGone(Exception):
    """The coordinator is gone, so no process would receive the result."""


def serve_jobs(connection: Connection, threads: int, log: str, folders: Sequence[str], *, keras: bool) -> None:
    """Serve jobs until the coordinator closes the connection.

    Args:
        connection: sends READY and receives jobs; for each job it sends EpochDone events and a TrialEnded. After each
            EpochDone it receives a bool: whether to train on.
        threads: the number of threads of the numerical libraries in this process.
        log: file that takes what TensorFlow and user code print.
        folders: where a user's own modules are looked for; absolute.
        keras: whether hpsearch's own trainer trains, with TensorFlow.
    """
    child.set_up_process(connection, Path(log))
    # The coordinator ends the workers.
    child.ignore_stop_signals()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    # The path is a copy of the coordinator's and may begin with one of these folders, as its current folder;
    # `use_folders` appends it.
    sys.path[:] = [path for path in sys.path if path not in folders]
    use_folders([Path(folder) for folder in folders])
    _limit_threads(threads, keras=keras)
    user_folders = tuple(map(Path, folders))
    state, coordinator = _WorkerState(user_folders, UserContent(user_folders)), _Coordinator(connection)
    try:
        coordinator.send(READY)
        while True:
            end = _run(coordinator.next(), coordinator, state)
            coordinator.send(replace(end, needs_restart=state.needs_restart(), info={**end.info, THREADS: threads}))
    except _CoordinatorGone:
        child.end_now()


class _Coordinator:
    """The other end of the connection.

    It turns connection errors into `_CoordinatorGone`, so that they differ from an OSError of the user's code.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise _CoordinatorGone from None

    def next(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            raise _CoordinatorGone from None


@dataclass
class _WorkerState:
    """What a worker keeps from trial to trial.

    Attributes:
        folders: folders of the user's files.
        user_content: the user's own data and modules.
        data: the data of the latest trial; `data_key` is its configuration.
        executables: compiled functions.
        trials: the number of trials so far.
        first_bytes: the process's memory after the latest of its first 8 trials.
    """

    folders: tuple[Path, ...]
    user_content: UserContent
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


def _run(job: Job, coordinator: _Coordinator, state: _WorkerState) -> TrialEnded:
    try:
        return _train(job, coordinator, state)
    except _CoordinatorGone:
        raise
    except ContentChangedError as error:
        return TrialEnded(job.trial, Outcome.FAILED, str(error), "", {}, changed=True)
    # The user's own code may call `sys.exit`, or raise an exception of any class.
    except BaseException as error:
        text = traceback.format_exc()
        with suppress(OSError):  # of a full disk
            print(text, file=sys.stderr, flush=True)
        return TrialEnded(job.trial, Outcome.FAILED, first_line(error)[:500], text, {})


def _train(job: Job, coordinator: _Coordinator, state: _WorkerState) -> TrialEnded:
    from hpsearch.config.file import Objective
    from hpsearch.config.trial import TrainableConfig, TrialConfig, parse_config
    from hpsearch.training.checkpoint import CheckpointWriter, read
    from hpsearch.training.trainable import TrainableTrainer

    config, objective = parse_config(job.config), Objective.model_validate(job.objective)
    state.user_content.check_sources(job.source_digests)
    if job.inspect_data and isinstance(config, TrialConfig):
        return state.user_content.inspect(job, config.data)
    if job.models_to_test and isinstance(config, TrialConfig):
        state.user_content.check_file(config.data, job.data_digest)
        from hpsearch.training.portable import read_test

        return TrialEnded(job.trial, Outcome.COMPLETED, "", "", read_test(config, job.models_to_test, state.folders))
    trainer: Trainer | TrainableTrainer
    checkpoints: CheckpointWriter | None = None
    if isinstance(config, TrainableConfig):
        # A trainable has no checkpoint, so it starts from the first epoch.
        trainer = TrainableTrainer(config, objective)
    else:
        trainer = _keras_trainer(config, objective, state, job.data_digest)
        if job.finished_epochs:
            trainer.restore(read(Path(job.checkpoint)))
        if job.checkpoint:
            checkpoints = CheckpointWriter(Path(job.checkpoint), job.config, job.limits.checkpoint_seconds)
    if early := _train_epochs(job, trainer, coordinator, checkpoints):
        return TrialEnded(job.trial, early, "", "", trainer.info)
    info = dict(trainer.info)
    if not isinstance(trainer, TrainableTrainer) and trainer.best:
        info |= _save_and_test(job, trainer, state)
    return TrialEnded(job.trial, trainer.outcome, "", "", info)


def _train_epochs(
    job: Job, trainer: Trainer | TrainableTrainer, coordinator: _Coordinator, checkpoints: CheckpointWriter | None
) -> Outcome | None:
    """Train all epochs; return PRUNED or PAUSED if the coordinator ends the trial before its own end."""
    from hpsearch.training.trainable import TrainableTrainer

    system = SystemMetrics() if job.system_metrics else None
    for epoch in trainer.epochs():
        coordinator.send(EpochDone(job.trial, system.added_to(epoch) if system else epoch))
        decision = coordinator.next()
        # After the last epoch the trial keeps its own outcome: it is neither pruned nor paused.
        if trainer.finished:
            continue
        if decision is Decision.PRUNE:
            ended = not isinstance(trainer, TrainableTrainer) or not trainer.at_end()
            return Outcome.PRUNED if ended else None
        # Only now, since the coordinator has recorded the epoch.
        if checkpoints and not isinstance(trainer, TrainableTrainer):
            (checkpoints.save if decision is Decision.PAUSE else checkpoints.offer)(trainer.state)
        if decision is Decision.PAUSE:
            return Outcome.PAUSED
    return None


def _save_and_test(job: Job, trainer: Trainer, state: _WorkerState) -> dict[str, Any]:
    """Save the model and measure its test metrics, with the weights of the best epoch, if the job asks for it."""
    info: dict[str, Any] = {}
    if job.model:
        from hpsearch.training.portable import keep_model

        info |= keep_model(trainer, Path(job.model))
    if job.test_after:
        tested = trainer.test(state.folders)
        info |= dict(zip(TEST_METRICS, (tested.loss, tested.accuracy), strict=True))
    return info


def _keras_trainer(config: TrialConfig, objective: Objective, state: _WorkerState, digest: str) -> Trainer:
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables
    from hpsearch.training.trainer import Trainer

    key = config.data.model_dump_json()
    if state.data is None or key != state.data_key:
        arrays = state.user_content.arrays(config.data, digest)
        state.data, state.data_key = TrainingData.load(config.data, state.folders, arrays), key
    state.executables = state.executables or Executables()
    return Trainer(config, objective, state.data, state.executables)


def _limit_threads(threads: int, *, keras: bool) -> None:
    # Read by NumPy, SciPy and scikit-learn when they are imported.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    if not keras:
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
