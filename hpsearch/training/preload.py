"""Imports TensorFlow and the trainer, once, in the process that workers are forked from.

No TensorFlow operation is run here, since TensorFlow's threads do not survive a fork.
"""

import atexit
import gc
import importlib
import os
import sys
from pathlib import Path

from hpsearch.training.quiet import WORKER_LOG, redirect_output

# Keras imports these if it finds them, for plots, data frames and scikit-learn's interface. They take a third of its
# import time, and training does not need them.
OPTIONAL = ("matplotlib", "matplotlib.pyplot", "pandas", "pyarrow", "scipy", "sklearn")


def _import_trainer() -> None:
    absent = [name for name in OPTIONAL if name not in sys.modules]
    # A module that is None cannot be imported.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        importlib.import_module("hpsearch.training.trainer")
    finally:
        for name in absent:
            # A user's own code may import them.
            sys.modules.pop(name, None)


if log := os.environ.get(WORKER_LOG):
    redirect_output(Path(log))
# The garbage collector need not traverse millions of permanent objects, here or in a worker. Memory that the collector
# does not touch stays shared between the workers.
gc.disable()
_import_trainer()
gc.freeze()
gc.enable()
# This process ends when the coordinator is gone. It skips Python's clean-up at exit, which takes two seconds with
# TensorFlow.
atexit.register(os._exit, 0)
