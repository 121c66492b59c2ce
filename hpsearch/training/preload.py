"""Imported once by the process that workers are forked from: TensorFlow and the trainer, import only.

Nothing is executed here, since TensorFlow's threads do not survive a fork.
"""

import atexit
import gc
import importlib
import os
import sys
from pathlib import Path

from hpsearch.training.quiet import WORKER_LOG, everything_to

# Keras imports these if it finds them, for plots, data frames and scikit-learn's interface: a third of its
# import time, and nothing that training needs.
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
    everything_to(Path(log))
# The garbage collector need not traverse millions of permanent objects, here or in a worker; and memory that the
# collector does not touch stays shared between the workers.
gc.disable()
_import_trainer()
gc.freeze()
gc.enable()
# The process that workers are forked from ends when the coordinator has gone, and at once: taking TensorFlow apart
# piece by piece would keep it for two seconds more.
atexit.register(os._exit, 0)
