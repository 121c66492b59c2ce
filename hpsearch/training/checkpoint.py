"""The state of a training between two epochs, kept in a file: a training continued from it gives the same bits.

One `.npz` file for each trial, replaced as a whole; plain arrays and JSON, no pickles. This module decides when a
checkpoint is written and for which training it may be used; the trainer decides its content.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpsearch.training.results import EpochMetrics

# The largest share of training time spent on checkpoints.
SHARE = 0.05
ABOUT = "about"
# Other versions may compute other bits, or keep other variables.
_MADE_BY = {name: version(name) for name in ("keras", "tensorflow")} | {"format": 1}


@dataclass(frozen=True)
class State:
    """What the coming epochs of a training depend on.

    Attributes:
        last_epoch: the last finished epoch.
        plain: plain data for JSON.
        arrays: the arrays by name.
    """

    last_epoch: EpochMetrics
    plain: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]


class CheckpointWriter:
    """Keeps the latest checkpoint of a training in a file.

    Args:
        file: the checkpoint's file.
        config: of the training, as plain data; no other training continues from it.
        seconds: the shortest time between two checkpoints; it is longer where writing one takes more than 5 % of it.
    """

    def __init__(self, file: Path, config: Mapping[str, Any], seconds: float) -> None:
        self._file, self._config, self._seconds = file, config, seconds
        self._due = time.monotonic() + seconds

    def offer(self, state: Callable[[], State | None]) -> None:
        """Write a checkpoint if it is time."""
        began = time.monotonic()
        if began < self._due:
            return
        self.save(state)
        ended = time.monotonic()
        self._due = ended + max(self._seconds, (ended - began) / SHARE)

    def save(self, state: Callable[[], State | None]) -> None:
        """Write a checkpoint. If it cannot be written (a full disk), the training goes on without it."""
        try:
            if (taken := state()) is not None:
                write(self._file, self._config, taken)
        except OSError as error:
            print(f"{self._file}: no checkpoint could be written: {error}")


def write(file: Path, config: Mapping[str, Any], state: State) -> None:
    """Write a checkpoint; at any time the file holds the previous one or this one.

    Raises:
        OSError: it cannot be written; the file still holds the previous one.
    """
    about = {"made_by": _MADE_BY, "config": config, "row": state.last_epoch.plain(), "plain": state.plain}
    arrays: dict[str, Any] = {ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8), **state.arrays}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    try:
        with part.open("wb") as out:
            np.savez(out, **arrays)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def read(file: Path) -> State:
    """Return the state that a checkpoint holds.

    Raises:
        OSError, ValueError, KeyError, zipfile.BadZipFile: there is no checkpoint, or it is damaged.
    """
    with np.load(file, allow_pickle=False) as found:
        about = json.loads(found[ABOUT].tobytes())
        arrays = {name: found[name] for name in found.files if name != ABOUT}
    return State(EpochMetrics.of(about["row"]), about["plain"], arrays)


def count_resumable_epochs(file: Path, config: Mapping[str, Any], epochs: Sequence[EpochMetrics]) -> int:
    """Return the number of epochs after which a training can continue from a file; 0: it must start again.

    Args:
        config: of the training, as plain data.
        epochs: its recorded epochs, in their order. The checkpoint's epoch must be one of them.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                return 0
        with np.load(file, allow_pickle=False) as found:
            about = json.loads(found[ABOUT].tobytes())
        epoch = int(about["row"]["epoch"])
        if [each.epoch for each in epochs[:epoch]] != list(range(1, epoch + 1)):
            return 0
        about["row"] = EpochMetrics.of(about["row"]).plain()
        ours = {"made_by": _MADE_BY, "config": config, "row": epochs[epoch - 1].plain()}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return 0
    # As text, since NaN is not equal to itself.
    return epoch if all(json.dumps(about[key]) == json.dumps(ours[key]) for key in ours) else 0


def packed(value: Any, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """Return a value as plain data for JSON; its arrays are put into `arrays`.

    Raises:
        TypeError: it is no number, text, None or array, and no list, tuple or mapping of these.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case np.generic():
            return value.item()
        case np.ndarray() if value.dtype != object:
            name = f"array/{len(arrays)}"
            arrays[name] = value
            return {"array": name}
        case list() | tuple():
            return {type(value).__name__: [packed(item, arrays) for item in value]}
        case dict() if all(isinstance(key, str) for key in value):
            return {"dict": {key: packed(item, arrays) for key, item in value.items()}}
    raise TypeError(f"{type(value).__name__} cannot be kept")


def unpacked(value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """Return the value of which `packed` made `value`."""
    match value:
        case {"array": name}:
            return arrays[name]
        case {"list": items}:
            return [unpacked(item, arrays) for item in items]
        case {"tuple": items}:
            return tuple(unpacked(item, arrays) for item in items)
        case {"dict": items}:
            return {key: unpacked(item, arrays) for key, item in items.items()}
    return value
