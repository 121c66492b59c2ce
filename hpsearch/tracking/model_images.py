"""What the runs of finalists say of their models beside their curves: confusions, class by class, and test figures."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.analysis.confusion import Confusion, class_figures, texts
from hpsearch.catalogue.datasets import DATASETS
from hpsearch.config.trial import TrialConfig
from hpsearch.search.finals import FinalFigures, Finals
from hpsearch.search.records import TrialRecord
from hpsearch.search.stages import Stage
from hpsearch.training.results import CONFUSION


def model_figures(record: TrialRecord, stage: Stage, finals: Finals | None) -> dict[str, float]:
    """Of a finalist precision, recall and F1 on the validation images, of a final model those on the test images."""
    if confusion := record.info.get(CONFUSION):
        return {f"val_{name}": value for name, value in class_figures(confusion, _classes(record, confusion)).items()}
    tested = _tested(record, stage, finals)
    if tested is None:
        return {}
    figures = class_figures(tested.confusion, _classes(record, tested.confusion))
    return {"test_accuracy": tested.accuracy, **{f"test_{name}": value for name, value in figures.items()}}


def model_texts(record: TrialRecord, stage: Stage, finals: Finals | None) -> dict[str, str]:
    """The artifacts about the same, by name."""
    if confusion := record.info.get(CONFUSION):
        return texts(confusion, _classes(record, confusion), "validation")
    tested = _tested(record, stage, finals)
    return texts(tested.confusion, _classes(record, tested.confusion), "test") if tested else {}


def _tested(record: TrialRecord, stage: Stage, finals: Finals | None) -> FinalFigures | None:
    if stage is not Stage.FINAL or finals is None or finals.reading is None:
        return None
    return next((figures for figures in finals.reading.figures if figures.number == record.number), None)


def _classes(record: TrialRecord, confusion: Confusion) -> Sequence[str]:
    """The names of the classes; of a user's own data their numbers."""
    name = record.config.data.dataset if isinstance(record.config, TrialConfig) else ""
    return DATASETS[name].classes if name in DATASETS else [str(number) for number in range(len(confusion))]
