"""Metrics of each class from a confusion matrix [classes, classes], true classes by row; as text and as a page."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

Confusion = Sequence[Sequence[int]]
_AVERAGES = ("macro avg", "weighted avg")
_STYLE = (
    "body{font:14px sans-serif;margin:1.5em}table{border-collapse:collapse}"
    "td,th{padding:.3em .6em;text-align:right}th{font-weight:normal;color:#444}"
)


def class_metrics(confusion: Confusion, names: Sequence[str]) -> dict[str, float]:
    """Return `{"precision/Coat": 0.81, ..., "f1/macro avg": 0.88}`: scikit-learn's metrics (0 where 0 / 0).

    Args:
        names: of the classes.
    """
    report = _report(confusion, names, as_text=False)
    wanted = {"precision": "precision", "recall": "recall", "f1-score": "f1"}
    rows = [*names, *_AVERAGES]
    return {f"{short}/{row}": float(report[row][long]) for long, short in wanted.items() for row in rows}


def artifact_texts(confusion: Confusion, names: Sequence[str], prefix: str) -> dict[str, str]:
    """Return the confusion matrix and the report of the classes as artifacts, by file name.

    Args:
        prefix: the images that were classified: `validation` or `test`.
    """
    return {
        f"{prefix}_confusion_matrix.csv": _as_csv(confusion, names),
        f"{prefix}_confusion_matrix.html": _as_page(confusion, names, prefix),
        f"{prefix}_classification_report.txt": str(_report(confusion, names, as_text=True)),
    }


def _report(confusion: Confusion, names: Sequence[str], *, as_text: bool) -> Mapping[str, Any]:
    """Return scikit-learn's report of the examples that the matrix counts."""
    import numpy as np
    from sklearn.metrics import classification_report

    counts = np.asarray(confusion)
    true, predicted = (np.repeat(side.ravel(), counts.ravel()) for side in np.indices(counts.shape))
    found: Mapping[str, Any] = classification_report(
        true,
        predicted,
        labels=range(len(names)),
        target_names=list(names),
        output_dict=not as_text,
        digits=4,
        zero_division=0.0,
    )
    return found


def _as_csv(confusion: Confusion, names: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["true class", *names])
    writer.writerows([name, *row] for name, row in zip(names, confusion, strict=True))
    return out.getvalue()


def _as_page(confusion: Confusion, names: Sequence[str], prefix: str) -> str:
    """Return a table whose cells are the darker the larger their share of the row; needs no script and no network."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = []
    for name, row in zip(names, confusion, strict=True):
        total = sum(row) or 1
        cells = "".join(_cell(count, count / total) for count in row)
        lines.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
    title = f"Confusion matrix, {prefix} images: true classes by row, predicted ones by column"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<p>{title}</p><table><tr><th></th>{head}</tr>{''.join(lines)}</table></html>\n"
    )


def _cell(count: int, share: float) -> str:
    ink = "#fff" if share > 0.5 else "#222"
    return f'<td style="background:rgba(31,119,180,{share:.3f});color:{ink}">{count}</td>'
