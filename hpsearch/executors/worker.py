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
from typing import TYPE_CHECKING, Any

from hpsearch.executors.protocol import READY, EpochDone, Job, TrialEnded
from hpsearch.training.quiet import everything_to
from hpsearch.training.results import Outcome

if TYPE_CHECKING:
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.executable import Executables


def serve(connection: Connection, threads: int, log: str, folders: Sequence[str]) -> None:
    """Serve jobs until the coordinator closes the connection.

    Args:
        connection: jobs come in; EpochDone and TrialEnded go out; after each EpochDone a bool comes in:
            whether to train on.
        threads: TensorFlow's threads in this process.
        log: file that takes what TensorFlow and user code print.
        folders: where a user's own modules are looked for, before everything else.
    """
    # Ctrl-C reaches the whole process group; the coordinator decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    everything_to(Path(log))
    sys.path[:0] = folders
    _limit_threads(threads)
    kept = _Kept.empty()
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
    """What a worker keeps from trial to trial: the data last used, and what is compiled."""

    data_key: str
    data: TrainingData | None
    executables: Executables

    @staticmethod
    def empty() -> _Kept:
        from hpsearch.training.executable import Executables

        return _Kept("", None, Executables())


def _run(job: Job, connection: Connection, kept: _Kept) -> TrialEnded:
    try:
        return _train(job, connection, kept)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        detail = f"{type(error).__name__}: {lines[0]}"[:500]
        return TrialEnded(job.trial, Outcome.FAILED, detail, traceback.format_exc(), {})


def _train(job: Job, connection: Connection, kept: _Kept) -> TrialEnded:
    from hpsearch.config.file import Objective
    from hpsearch.config.trial import TrialConfig
    from hpsearch.training.examples import TrainingData
    from hpsearch.training.flops import matrix_flops
    from hpsearch.training.trainer import Trainer

    config = TrialConfig.model_validate(job.config)
    key = config.data.model_dump_json()
    if kept.data is None or key != kept.data_key:
        kept.data, kept.data_key = TrainingData.load(config.data), key
    trainer = Trainer(config, Objective.model_validate(job.objective), kept.data, kept.executables)
    facts: dict[str, Any] = {"weights": int(trainer.model.count_params())}
    if flops := matrix_flops(trainer.model):
        facts["matrix_flops_per_example"] = flops[1]
    for row in trainer.epochs():
        connection.send(EpochDone(job.trial, row))
        # What has trained to its end is not pruned any more.
        if not connection.recv() and not trainer.finished:
            return TrialEnded(job.trial, Outcome.PRUNED, "", "", facts)
    return TrialEnded(job.trial, trainer.outcome, "", "", facts)


def _limit_threads(threads: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
