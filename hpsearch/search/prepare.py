"""Every dataset of a study, seen to be there and large enough before anything trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hpsearch.config.study import StudySpec
from hpsearch.config.trial import TrialConfig
from hpsearch.data.store import obtain_training
from hpsearch.errors import DataError
from hpsearch.search.provenance import digest_of


def prepare_data(spec: StudySpec, report: Callable[[str], None]) -> None:
    """Fetch the catalogue's datasets, look into a user's own files.

    What a user's function returns is looked at by the first trial: calling it here would import it here.

    Raises:
        DataError: a dataset cannot be had, or a trial of the study would not fit it.
    """
    for name in spec.datasets():
        obtain_training(name, report)
        if name.endswith(".npz"):
            from hpsearch.data.own import load_npz

            examples = len(load_npz(name, "train", spec.folders).labels)
            for config in spec.keras_corners:
                if config.data.dataset == name:
                    _check_fits(config, examples)


def own_digests(datasets: Iterable[str], folders: Sequence[Path]) -> dict[str, str]:
    """What stands for the content of a user's own files with data, by the names that configurations give them."""
    from hpsearch.data.own import find

    return {name: digest_of(find(name, folders)) for name in datasets if name.endswith(".npz")}


def _check_fits(config: TrialConfig, examples: int) -> None:
    try:
        training, _ = config.data.examples_of(examples)
    except ValueError as error:
        raise DataError(f"trial.data: {error}") from None
    if config.batch_of(training) > training:
        raise DataError(
            f"trial.batch_size: `batch_size` is {config.batch_size:,}, but there are only {training:,} "
            f"training examples in {config.data.dataset}"
        )
