"""What runs inside a worker process: take a job, train it, send a row after each epoch.

TensorFlow is imported once, by the process that the workers are forked from. A trial that raises
fails alone: the worker reports it and takes the next job.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.executors.protocol import READY, EpochDone, Job, TrialEnded
from hpsearch.training.quiet import everything_to
from hpsearch.training.results import Outcome

if TYPE_CHECKING:
    from hpsearch.config.file import Objective
    from hpsearch.config.trial import TrialConfig
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables
    from hpsearch.training.trainer import Trainer


def serve(connection: Connection, threads: int, log: str, folders: Sequence[str], *, keras: bool) -> None:
    """Serve jobs until the coordinator closes the connection.

    Args:
        connection: jobs come in; EpochDone and TrialEnded go out; after each EpochDone a bool comes in:
            whether to train on.
        threads: of the numerical libraries in this process.
        log: file that takes what TensorFlow and user code print.
        folders: where a user's own modules are looked for, before everything else.
        keras: whether hpsearch's own trainer trains, with TensorFlow.
    """
    # Ctrl-C reaches the whole process group; the coordinator decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    everything_to(Path(log))
    sys.path[:0] = folders
    _limit_threads(threads, keras=keras)
    kept = _Kept(tuple(map(Path, folders)))
    try:
        connection.send(READY)
        while True:
            connection.send(_run(connection.recv(), connection, kept))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The coordinator is gone: nobody would take the result.
        os._exit(1)


def _end_with_parent(parent: int) -> None:
    """End when the process that this one was forked from is gone, which ends with the coordinator.

    Without this a worker would train to the end of its epoch before it notices.
    """
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@dataclass
class _Kept:
    """What a worker keeps from trial to trial: where a user's files are, the data last used, what is compiled."""

    folders: tuple[Path, ...] = ()
    data_key: str = ""
    data: TrainingData | None = None
    executables: Executables | None = None


def _run(job: Job, connection: Connection, kept: _Kept) -> TrialEnded:
    try:
        return _train(job, connection, kept)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    # A user's own code may call `sys.exit`.
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        detail = f"{type(error).__name__}: {lines[0]}"[:500]
        return TrialEnded(job.trial, Outcome.FAILED, detail, traceback.format_exc(), {})


def _train(job: Job, connection: Connection, kept: _Kept) -> TrialEnded:
    from hpsearch.config.file import Objective
    from hpsearch.config.own import OwnConfig, recipe_of
    from hpsearch.training.own import OwnTrainer

    config, objective = recipe_of(job.config), Objective.model_validate(job.objective)
    trainer: OwnTrainer | Trainer
    if isinstance(config, OwnConfig):
        trainer = OwnTrainer(config, objective)
    else:
        trainer = _keras_trainer(config, objective, kept)
    for row in trainer.epochs():
        connection.send(EpochDone(job.trial, row))
        # What has trained to its end is not pruned any more.
        if not connection.recv() and not trainer.finished:
            return TrialEnded(job.trial, Outcome.PRUNED, "", "", trainer.facts)
    return TrialEnded(job.trial, trainer.outcome, "", "", trainer.facts)


def _keras_trainer(config: TrialConfig, objective: Objective, kept: _Kept) -> Trainer:
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables
    from hpsearch.training.trainer import Trainer

    key = config.data.model_dump_json()
    if kept.data is None or key != kept.data_key:
        kept.data, kept.data_key = TrainingData.load(config.data, kept.folders), key
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
