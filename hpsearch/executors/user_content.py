"""The user's own data and modules in a worker: read there, and compared with the digests that a job names."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.catalogue.datasets import is_user_dataset
from hpsearch.config.user_modules import same_source, source_digest
from hpsearch.data.arrays import arrays_digest, digest_of
from hpsearch.errors import ContentChangedError, DataError, HpsearchError
from hpsearch.executors.protocol import DIGEST, Job, TrialEnded
from hpsearch.training.results import Outcome

if TYPE_CHECKING:
    from hpsearch.config.trial import DataConfig
    from hpsearch.data.arrays import Arrays


class UserContent:
    """The user's own data and modules, as one worker reads them.

    Args:
        folders: where the user's files are.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        # A dataset that was read to be checked, and its name; the next training takes it if it uses this dataset.
        self._inspected: tuple[str, Arrays] | None = None
        self._sources: Mapping[str, str] = {}

    def check_sources(self, expected: Mapping[str, str]) -> None:
        """Refuse modules that were edited since the run began. A worker imports a module once, so it checks once.

        Args:
            expected: digests by the absolute paths of files.

        Raises:
            ContentChangedError: a module has other code, or is gone.
        """
        if expected == self._sources:
            return
        for file, digest in expected.items():
            if not Path(file).is_file() or not same_source(source_digest(Path(file)), digest):
                raise ContentChangedError(file)
        self._sources = expected

    def check_file(self, config: DataConfig, digest: str) -> None:
        """Refuse an `.npz` file that was replaced since the run began.

        Raises:
            ContentChangedError: the file's digest is another one.
        """
        from hpsearch.data.user_data import find

        name = config.dataset
        if digest and name.endswith(".npz") and digest_of(find(name, self._folders)) != digest:
            raise ContentChangedError(name)

    def inspect(self, job: Job, config: DataConfig) -> TrialEnded:
        """Read the training part of a dataset twice; return the fields of its UserDataset, and its DIGEST, as `info`.

        If the data is not the same both times, the inspection fails: no two trainings could have the same data.
        """
        from hpsearch.data.user_data import summary_of
        from hpsearch.training.examples import load_user_data

        try:
            # The first arrays are not kept, so the memory holds one copy.
            first = arrays_digest(load_user_data(config.dataset, "train", self._folders))
            arrays = load_user_data(config.dataset, "train", self._folders)
            if (digest := arrays_digest(arrays)) != first:
                raise DataError(
                    f"dataset '{config.dataset}': the function returns other data each time it is called; "
                    "give its shuffle a seed"
                )
        except HpsearchError as error:
            print(traceback.format_exc(), file=sys.stderr, flush=True)
            return TrialEnded(job.trial, Outcome.FAILED, str(error), "", {})
        self._inspected = config.dataset, arrays
        info = {**asdict(summary_of(arrays)), DIGEST: digest}
        return TrialEnded(job.trial, Outcome.COMPLETED, "", "", info)

    def arrays(self, config: DataConfig, digest: str) -> Arrays | None:
        """Return the training part of the user's own dataset; None where the dataset is the catalogue's.

        Raises:
            ContentChangedError: its digest is not the expected one.
            DataError, UserCodeError: it cannot be loaded.
        """
        from hpsearch.training.examples import load_user_data

        name = config.dataset
        if not is_user_dataset(name):
            return None
        self.check_file(config, digest)
        inspected, self._inspected = self._inspected, None
        arrays = inspected[1] if inspected and inspected[0] == name else load_user_data(name, "train", self._folders)
        if digest and not name.endswith(".npz") and arrays_digest(arrays) != digest:
            raise ContentChangedError(name)
        return arrays
