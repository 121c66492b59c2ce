"""The data of a run as MLflow shows it: a dataset with its digest, and how the run uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hpsearch.catalogue.datasets import DATASETS, DatasetEntry
from hpsearch.config.study import StudySpec
from hpsearch.config.trial import AnyConfig, TrialConfig
from hpsearch.search.provenance import Provenance

# MLflow's tag for the use of a dataset.
CONTEXT = "mlflow.data.context"
_TRAINING = {CONTEXT: "training"}
# The most characters that MLflow takes.
_LONGEST_NAME = 500


@dataclass(frozen=True)
class DataInput:
    """A dataset that a run uses.

    Attributes:
        digest: of its content; MLflow takes 36 characters at most.
        source_type: how MLflow shows `source`: http or local.
        source: where it comes from, as JSON.
        schema: of its arrays, as MLflow keeps that of tensors; None: not known.
        profile: its size, as JSON; None: not known.
        tags: how this run uses it. MLflow keeps all else once for the whole experiment.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    tags: Mapping[str, str]


def inputs_of(config: AnyConfig | None, provenance: Provenance, contents: Mapping[str, str]) -> tuple[DataInput, ...]:
    """Return the dataset of a training; of a user's own training, which reads its data itself, nothing.

    Args:
        contents: of the training, as in its TrialRecord. Trials of an early version have the study's digests only.
    """
    if not isinstance(config, TrialConfig):
        return ()
    data = config.data
    tags = dict(_TRAINING)
    if data.dataset in DATASETS:
        training, validation = data.examples_of(DATASETS[data.dataset].train_examples)
        tags |= {"training_examples": str(training), "validation_examples": str(validation)}
    own = {data.dataset: contents["data"]} if "data" in contents else provenance.data
    return tuple(_named(data.dataset, own, tags))


def inputs_of_study(spec: StudySpec, provenance: Provenance) -> tuple[DataInput, ...]:
    """Return the datasets that trials of the study read."""
    return tuple(found for name in spec.datasets() for found in _named(name, provenance.current_data, _TRAINING))


def _named(name: str, own: Mapping[str, str], tags: Mapping[str, str]) -> Iterator[DataInput]:
    if name in DATASETS:
        entry = DATASETS[name]
        profile = json.dumps({"training_examples": entry.train_examples, "test_examples": entry.test_examples})
        source = json.dumps({"url": entry.homepage})
        yield DataInput(name, entry.digest, "http", source, _schema(entry), profile, tags)
    elif name in own:
        yield DataInput(name[-_LONGEST_NAME:], own[name], "local", json.dumps({"uri": name}), None, None, tags)


def _schema(entry: DatasetEntry) -> str:
    """Return the shapes of images and labels, -1 for their number, as MLflow's own datasets of tensors have them."""
    images: list[dict[str, Any]] = [_tensor([-1, *entry.image_shape])]
    return json.dumps({"mlflow_tensorspec": {"features": json.dumps(images), "targets": json.dumps([_tensor([-1])])}})


def _tensor(shape: list[int]) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": shape}}
