"""Imported once by the process that workers are forked from: TensorFlow and the trainer, import only.

Nothing is executed here, since TensorFlow's threads do not survive a fork.
"""

import os
from pathlib import Path

from hpsearch.training.quiet import WORKER_LOG, everything_to

if log := os.environ.get(WORKER_LOG):
    everything_to(Path(log))

import hpsearch.training.trainer  # noqa: F401
