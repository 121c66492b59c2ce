"""Digests of the user's own data and modules. A training depends on these as on the study file.

A study keeps these digests. They are compared whenever a run continues it, so no trial is trained with other data
or other code than the trials before it unless the user accepts that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpsearch.catalogue.datasets import is_user_dataset
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import AnyConfig, TrainableConfig, TrialConfig
from hpsearch.config.user_modules import digest_together, same_source, source_digest, source_files
from hpsearch.data.arrays import digest_of
from hpsearch.errors import DataError, StudyChangedError
from hpsearch.search.provenance import CONTENTS_HISTORY

if TYPE_CHECKING:
    from hpsearch.search.records import TrialRecord
    from hpsearch.search.storage import StoredStudy

# Characters of a digest that a message shows.
_SHOWN = 8


@dataclass(frozen=True)
class Contents:
    """Digests of the user's own data and modules.

    Attributes:
        data: digests of datasets, by their names in configurations. That of a function's dataset is known after
            the function was called.
        sources: digests of modules, by their paths below their folder.
        files: the present files of these modules, by the same paths.
    """

    data: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)

    def for_config(self, config: AnyConfig) -> dict[str, str]:
        """Return the digests to record with a training: `data` for its own dataset, `sources` for all modules."""
        dataset = "" if isinstance(config, TrainableConfig) else config.data.dataset
        found = {"data": self.data.get(dataset, ""), "sources": digest_together(self.sources)}
        return {name: digest for name, digest in found.items() if digest}

    def expected_sources(self) -> dict[str, str]:
        """Return the modules' digests by the absolute paths of their files, as a worker checks them."""
        return {str(self.files[name].absolute()): digest for name, digest in self.sources.items() if name in self.files}

    def plain(self) -> dict[str, Any]:
        return {"data": dict(self.data), "sources": dict(self.sources)}

    @staticmethod
    def stored(attrs: Mapping[str, Any]) -> Contents | None:
        """Return the newest digests in a study's attributes; None for a study of an early version."""
        history = attrs.get(CONTENTS_HISTORY)
        return Contents(history[-1]["data"], history[-1]["sources"]) if history else None


def contents_of(spec: StudySpec, study: StoredStudy | None = None, *, accept: bool = False) -> Contents:
    """Compute the digests of a study's files with data and of its modules; files that are missing are left out.

    Args:
        study: the study that the spec continues; its contents are checked by `check_contents`.
        accept: as for `check_contents`.
    """
    references = {name for config in spec.keras_corners for _, name in config.references()}
    if spec.trainable:
        references.add(spec.trainable)
    found = contents_now(spec.datasets(), references, spec.folders)
    if study is not None:
        check_contents(study, found, accept=accept)
    return found


def contents_now(datasets: Iterable[str], references: Iterable[str], folders: Sequence[Path]) -> Contents:
    """Compute the digests of files with data and of the modules that references name."""
    data: dict[str, str] = {}
    for name in datasets:
        with suppress(DataError):
            data |= own_digests([name], folders)
    files = source_files(references, folders)
    return Contents(data, {name: source_digest(file) for name, file in files.items()}, files)


def own_digests(datasets: Iterable[str], folders: Sequence[Path]) -> dict[str, str]:
    """Compute the digests of the user's own files with data, by the names that configurations give them.

    Raises:
        DataError: there is no such file.
    """
    names = [name for name in datasets if name.endswith(".npz") and is_user_dataset(name)]
    if not names:
        return {}
    from hpsearch.data.user_data import find

    return {name: digest_of(find(name, folders)) for name in names}


def changed_in(study: StoredStudy, now: Contents) -> dict[str, str]:
    """Compare the digests of a study with the present ones, as `changed` does.

    An early version kept digests of data files only, so the modules of its studies are not compared.
    """
    return changed(study.contents or Contents(study.provenance.data, now.sources), now)


def changed(was: Contents, now: Contents) -> dict[str, str]:
    """Return the differences between earlier and present digests, by name: `was 1a2b3c4d, is now 5e6f7a8b`."""
    data = [(name, was.data[name], digest) for name, digest in now.data.items() if name in was.data]
    found = {name: _was_now(before, digest) for name, before, digest in data if before != digest}
    for name in sorted({*was.sources, *now.sources}):
        before, digest = was.sources.get(name, ""), now.sources.get(name, "")
        if not (before and digest and same_source(before, digest)):
            found[name] = _was_now(before, digest)
    return found


def _was_now(before: str, digest: str) -> str:
    return f"was {before[:_SHOWN] or 'absent'}, is now {digest[:_SHOWN] or 'absent'}"


def check_contents(study: StoredStudy, now: Contents, *, accept: bool) -> list[str]:
    """Refuse to continue a study whose data or modules have changed since trials were trained.

    Args:
        study: the study to continue. Before any of its trials has finished an epoch, nothing is refused.
        now: the present digests.
        accept: whether the user accepts the changes.

    Returns:
        One line for each accepted change.

    Raises:
        StudyChangedError: something has changed, and the user does not accept it.
    """
    found = changed_in(study, now)
    records = study.records() if found else []
    lines = [f"{name}: {change}{_trained_before(name, records)}" for name, change in found.items()]
    if not any(record.epochs for record in records):
        return []
    if not accept:
        lines = [
            f"study '{study.name}' exists, and what its trials were trained with has changed:",
            *(f"  {line}" for line in lines[:20]),
            "take the change back, give the study another name (--name NEW), or go on with it (--accept-changes)",
        ]
        raise StudyChangedError("\n".join(lines))
    return lines


def _trained_before(name: str, records: Iterable[TrialRecord]) -> str:
    """Return `; trials 0-3, 7 were trained before`, or an empty text."""
    numbers = [
        record.number for record in records if record.epochs and (not is_user_dataset(name) or _dataset(record) == name)
    ]
    if not numbers:
        return ""
    several = len(numbers) > 1
    return (
        f"; trial{'s' if several else ''} {', '.join(_ranges(numbers))} {'were' if several else 'was'} trained before"
    )


def _dataset(record: TrialRecord) -> str:
    return record.config.data.dataset if isinstance(record.config, TrialConfig) else ""


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    """Yield `0-3` and `7` for 0, 1, 2, 3, 7."""
    first = last = numbers[0]
    for number in [*numbers[1:], None]:
        if number is not None and number == last + 1:
            last = number
            continue
        yield f"{first}-{last}" if last > first else str(first)
        if number is not None:
            first = last = number


def note_changes(study: StoredStudy, now: Contents, report: Callable[[str], None]) -> None:
    """Report what has changed since the trials were trained, for a study that has nothing left to train."""
    for name, change in changed_in(study, now).items():
        report(f"note: {name}: {change}; its trials were trained with the old one, and there are no more to be trained")


def settle_contents(study: StoredStudy, now: Contents, report: Callable[[str], None], *, accept: bool) -> Contents:
    """Record the digests with which the coming trials of a study are trained.

    Args:
        now: the present digests.
        report: called with one line for each change that the user has accepted.
        accept: as for `check_contents`.

    Returns:
        The contents to record with each trial. A module whose code is unchanged keeps the digest that the study has.

    Raises:
        StudyChangedError: something has changed, and the user does not accept it.
    """
    for line in check_contents(study, now, accept=accept):
        report(f"accepted: {line}")
    was = study.contents
    if was is not None:
        pairs = [(name, was.sources[name], digest) for name, digest in now.sources.items() if name in was.sources]
        same = {name: before for name, before, digest in pairs if same_source(before, digest)}
        now = replace(now, data={**was.data, **now.data}, sources={**now.sources, **same})
    if was is None or now.plain() != was.plain():
        entry = {"since": datetime.now().isoformat(), **now.plain()}
        study.optuna.set_user_attr(CONTENTS_HISTORY, [*study.optuna.user_attrs.get(CONTENTS_HISTORY, []), entry])
    return now


def changed_since(
    study: StoredStudy, record: TrialRecord, config: AnyConfig, folders: Sequence[Path]
) -> dict[str, str]:
    """Compare the digests of a trial with the present ones, as `changed` does.

    Args:
        config: the configuration of the trial, or another one to compare with it.
        folders: where the user's files and modules are looked for.
    """
    if isinstance(config, TrainableConfig):
        dataset, references = "", [config.trainable]
    else:
        dataset, references = config.data.dataset, [name for _, name in config.references()]
    now = contents_now([dataset], references, folders)
    # An early version kept the digests of files for the whole study.
    data = record.contents.get("data") or study.provenance.data.get(dataset, "")
    history = [Contents(entry["data"], entry["sources"]) for entry in study.optuna.user_attrs.get(CONTENTS_HISTORY, [])]
    then = next((each for each in history if digest_together(each.sources) == record.contents.get("sources")), None)
    # Other trials of the study may name other modules.
    sources = {name: digest for name, digest in then.sources.items() if name in now.sources} if then else now.sources
    return changed(Contents({dataset: data} if data else {}, sources), now)
