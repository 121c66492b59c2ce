"""A verdict in words: for the terminal, and in Markdown for the study's page in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpsearch.analysis.statistics import CONFIDENCE, Interval
from hpsearch.analysis.verdict import AgainstDefault, FinalistSummary, Tested, Verdict

_PERCENT = f"{CONFIDENCE:.0%}"
# What the table says of the Keras default.
_NOTES = {AgainstDefault.WORSE: "better than the winner", AgainstDefault.NOT_BETTER: "as good as the winner"}

_COMPARED = {
    AgainstDefault.BETTER: "better than {known}",
    AgainstDefault.UNCLEAR: "better than {known}, but perhaps by chance",
    AgainstDefault.NOT_BETTER: "not better than {known}",
    AgainstDefault.WORSE: "worse than {known}",
}


def rows(verdict: Verdict) -> list[dict[str, Any]]:
    """Return the finalists as a table, the best first, and the Keras default below them."""
    everyone = [*verdict.finalists, *([verdict.default] if verdict.default else [])]
    return [_row(standing, verdict) for standing in everyone]


def _row(standing: FinalistSummary, verdict: Verdict) -> dict[str, Any]:
    note = "winner" if standing is verdict.winner else ""
    if standing is verdict.default and verdict.against_default in _NOTES:
        note = _NOTES[verdict.against_default]
    if standing.trained < standing.wanted:
        note = f"{standing.trained} of {standing.wanted} trainings ended well"
    return {
        "finalist": standing.finalist.label,
        f"mean {verdict.metric} [{_PERCENT}]": _shown(standing.interval),
        "std": standing.interval.std if standing.interval else None,
        "seeds": standing.trained,
        "single score": standing.finalist.score,
        "winner's gain": _shown(standing.difference, "+"),
        "note": note,
    }


def sentences(verdict: Verdict) -> list[str]:
    """Return the sentences about the finalists, the most important first."""
    if verdict.winner is None or verdict.winner.interval is None:
        return ["The finalists have no winner yet."]
    winner, metric = verdict.winner, verdict.metric
    assert winner.interval is not None
    found = [
        f"The winner is {winner.finalist.label}: mean {metric} {winner.interval.shown()} ({_PERCENT}, "
        f"{winner.interval.method})."
    ]
    found += default_sentences(verdict)
    if winner.optimism and winner.finalist.score is not None:
        found.append(
            f"Its single score of {winner.finalist.score:.4f} in the search was optimistic by "
            f"{winner.optimism.shown(sign='+')}."
        )
    if verdict.tested:
        found += _test_sentences(verdict, verdict.tested)
    elif verdict.read_in_vain:
        found.append("The reading of the test set for this winner gave no result; the same command reads it again.")
    elif verdict.audit:
        found.append("The test set was read for an earlier winner, and not for this one.")
    return found


def default_sentences(verdict: Verdict) -> list[str]:
    """Return the sentence that compares the winner with the untuned Keras default of its model, and the advice."""
    winner, default, finding = verdict.winner, verdict.default, verdict.against_default
    if winner is None or default is None or winner.interval is None:
        return []
    known = "the untuned Keras default of its model"
    if finding is AgainstDefault.SAME:
        return [f"It is {known}. {finding.recommendation}"]
    if finding is None or default.interval is None or default.difference is None:
        ended = f"{default.trained} of {default.wanted} trainings of it ended well"
        return [f"It was not compared with {known}, since {ended}."]
    found = f"It is {_COMPARED[finding]}".format(known=known)
    means = f"mean {verdict.metric} {winner.interval.mean:.4f} against {default.interval.mean:.4f}"
    gain = f"a gain of {default.difference.shown(sign='+')} ({default.difference.method})"
    return [f"{found}: {means}, {gain}. {finding.recommendation}".strip()]


def _test_sentences(verdict: Verdict, tested: Tested) -> list[str]:
    found = [
        f"Trained on all training images for {verdict.epochs} epochs it has accuracy {tested.winner.shown()} "
        f"({tested.winner.method}) on {tested.examples:,} test images"
    ]
    if tested.default and tested.over_seeds and tested.over_images:
        found[0] += f"; the untuned Keras default of the same model {tested.default.shown()}."
        found.append(
            f"The difference is {tested.over_seeds.shown(sign='+')} ({tested.over_seeds.method}), and "
            f"{tested.over_images.shown(sign='+')} ({tested.over_images.method}): {_finding(tested)}."
        )
    else:
        found[0] += "."
    found.append(
        f"The champion, the model of the first seed, has test accuracy {tested.champion.shown()} "
        f"({tested.champion.method})."
    )
    return found


def _finding(tested: Tested) -> str:
    assert tested.over_seeds
    assert tested.over_images
    ends = [(one.low, one.high) for one in (tested.over_seeds, tested.over_images)]
    if all(low is not None and low > 0 for low, _ in ends):
        return "the tuning helped"
    if all(high is not None and high < 0 for _, high in ends):
        return "the tuning did harm"
    return "no difference that could be told from chance"


def _shown(interval: Interval | None, sign: str = "") -> str:
    return interval.shown(sign=sign) if interval else ""


def markdown(verdict: Verdict) -> str:
    """Return the verdict as a section of a page."""
    table = rows(verdict)
    lines = ["### Finalists", "", *sentences(verdict), "", *_markdown_table(table)]
    if verdict.audit:
        lines += ["", "Readings of the test set:", "", *(f"* {line}" for line in verdict.audit)]
    return "\n".join(lines)


def _markdown_table(table: Sequence[dict[str, Any]]) -> list[str]:
    names = list(table[0]) if table else []
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    cells = [[f"{cell:.4f}" if isinstance(cell, float) else str(cell or "") for cell in row.values()] for row in table]
    return [*lines, *("| " + " | ".join(row) + " |" for row in cells)]
