"""The descriptions of a study's experiment and of its own run in MLflow, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.analysis.verdict import judge
from hpsearch.analysis.verdict_text import markdown
from hpsearch.config.study import StudySpec
from hpsearch.search.finals import Finals, chosen_of
from hpsearch.search.records import TrialRecord, best_trial, counts
from hpsearch.tracking.view_state import FINALISTS_KEY, NESTED_KEY, VIEW_KEY, VIEW_NAMES, varied_names, view_url


def study_experiment_note(spec: StudySpec, experiment: str) -> str:
    """Return the description of a study's experiment.

    Its first line stands above every page of the experiment in MLflow's UI, and in lists of experiments.
    """
    shown = {"compare the trials": VIEW_KEY, "study and trials": NESTED_KEY}
    shown |= {"finalists": FINALISTS_KEY} if spec.file.finalists else {}
    links = ", ".join(_link(text, experiment, key) for text, key in shown.items())
    names = ", ".join(f"*{VIEW_NAMES[key]}*" for key in shown.values())
    return "\n\n".join(
        [
            f"Study {spec.name} of hpsearch: {links}",
            *([spec.file.description] if spec.file.description else []),
            f"The links open saved views of the runs. The page Runs has them under Views, too: {names}.",
        ]
    )


def training_experiment_note(name: str, experiment: str) -> str:
    """Return the description of an experiment that holds what `hpsearch train` has trained."""
    return f"Configuration {name}, trained by hpsearch: {_link('compare the runs', experiment, VIEW_KEY)}"


def _link(text: str, experiment: str, key: str) -> str:
    return f"[{text}]({view_url('', experiment, key).removeprefix('/')})"


def study_note(spec: StudySpec, records: Sequence[TrialRecord], finals: Finals | None, *, running: bool) -> str:
    """Description, outcome and best configuration.

    Args:
        records: the trials, by number.
        finals: None: there are no finalists, or they are being trained.
    """
    best, tally = best_trial(records, spec.objective), counts(records)
    ended = sum(tally.values())
    lines = [spec.file.description or f"Study `{spec.name}`", ""]
    if best is None or best.best is None:
        lines.append(f"**No trial has ended well{' yet' if running else ''}**; {ended} have ended.")
        return "\n".join(lines)
    named = ", ".join(f"{count} {state}" for state, count in tally.items())
    value = f"{spec.objective.metric} {best.best.value:.6g}"
    lines += [
        f"**Best{' so far' if running else ''}: {value}** at epoch {best.best.epoch} of trial {best.number}. "
        f"{ended} trials have ended ({named}).",
        "",
    ]
    if finals:
        lines += [markdown(judge(spec.name, finals)), ""]
    chosen = chosen_of(records, finals, best) or best
    if not running:
        lines += [f"`best.yaml` among the artifacts holds the configuration of trial {chosen.number}:", ""]
    flat = chosen.flat
    lines += ["| hyperparameter | value |", "| --- | --- |"]
    lines += [f"| {_plain(name)} | {_plain(flat[name])} |" for name in varied_names(spec) if flat.get(name) is not None]
    return "\n".join(lines)


def _plain(value: object) -> str:
    """Return a value as a cell of a Markdown table."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
