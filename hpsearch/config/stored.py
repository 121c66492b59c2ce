"""What a study keeps, read back: its file, and the configuration of a trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from hpsearch.config import problems as wording
from hpsearch.config.overrides import apply_overrides
from hpsearch.config.own import TRAINABLE, AnyConfig, parse_config
from hpsearch.config.space import not_finite
from hpsearch.config.study import StudySpec, checked
from hpsearch.config.trial import TrialConfig
from hpsearch.config.varied import Varied, find_varied
from hpsearch.config.yaml_text import Document, load_value
from hpsearch.errors import StudyFileError


def stored_study(text: str, name: str) -> StudySpec:
    """The study of a text that was checked when it was run; what it names on this machine may be gone.

    Raises:
        StudyFileError: another version of hpsearch took what this one does not.
    """
    source = f"the file of study '{name}'"
    return checked(Document(source, load_value(text, source)), name)


def readable_study(text: str, name: str) -> StudySpec | None:
    """As `stored_study`; None where the study keeps no text, or one that this version of hpsearch cannot read."""
    if text:
        with suppress(StudyFileError):
            return stored_study(text, name)
    return None


def varied_of(spec: StudySpec | None, configs: Iterable[Mapping[str, Any]]) -> Varied:
    """The values that differ between the trials of a stored study.

    Args:
        spec: of the study; where it is None, the trials are compared with each other.
        configs: of the trials, as the study keeps them.
    """
    return spec.varied if spec else find_varied(map(parse_config, configs))


def stored_trial(plain: Mapping[str, Any], name: str, overrides: Iterable[str] = ()) -> AnyConfig:
    """The configuration that a trial was trained with.

    Args:
        plain: as the study keeps it.
        name: of the trial, for messages.
        overrides: `trial.key.path=value` each, put in place of its own values.

    Raises:
        StudyFileError: an override breaks a rule, or another version of hpsearch took what this one does not.
    """
    document = apply_overrides(Document(name, {"trial": dict(plain)}), overrides)
    if others := [key for key in document.data if key != "trial"]:
        raise StudyFileError([f"{document.place((others[0],))}: must begin with `trial.`, as in trial.seed=123"])
    values = document.data["trial"]
    if not isinstance(values, dict) or values.get(TRAINABLE) != plain.get(TRAINABLE):
        raise StudyFileError([f"{document.place(('trial',))}: another training than the one that is recorded"])
    if found := list(not_finite(values, ("trial",))):
        raise wording.refuse(document, found)
    try:
        return parse_config(values)
    except ValidationError as error:
        found = wording.findings(error, TrialConfig)
        raise wording.refuse(document, [(("trial", *path), sentence) for path, sentence in found]) from None
