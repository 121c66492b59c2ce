"""The comparison of a choice's options as a table and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hpsearch.analysis.expected_best import CAUTION, METHOD
from hpsearch.analysis.options import OptionComparison, OptionSummary
from hpsearch.analysis.statistics import CONFIDENCE, Interval
from hpsearch.config.varied import value_text

# From this probability on, a sentence says that an option is ahead.
AHEAD = 0.95
# With fewer trials each, no option is called ahead by a bootstrap: of two times 3 equal trials, all of one option are
# better than all of the other in 10 % of studies, and of two times 5 in 0.8 %.
FEWEST = 5
_PERCENT = f"{CONFIDENCE:.0%}"


def option_rows(comparison: OptionComparison) -> list[dict[str, Any]]:
    """Return a row for each option, as the terminal shows it."""
    with_finalists = any(option.finalist for option in comparison.options)
    return [_row(option, comparison, with_finalists=with_finalists) for option in comparison.options]


def _row(option: OptionSummary, comparison: OptionComparison, *, with_finalists: bool) -> dict[str, Any]:
    after, lead = option.after(comparison.k), option.lead
    finalist: dict[str, Any] = {}
    if with_finalists:
        own = option.finalist
        finalist = {
            f"best finalist's mean [{_PERCENT}]": f"{_shown(own.interval)} ({own.finalist.label})"
            if own and own.interval
            else ""
        }
    notes = {"pruned": option.pruned, "diverged or over limits": option.worst, "failed": option.failed}
    counts = [f"{count} {name}" for name, count in {**notes, "unfinished": option.unfinished}.items() if count]
    return {
        "option": _text(option.label),
        "trials": option.trials,
        "epochs": option.epochs,
        "best (trial)": f"{option.best.best.value:.5g} ({option.best.number})"
        if option.best and option.best.best
        else "",
        f"best of {comparison.k} [{_PERCENT} band]": _shown(after) if after else "",
        **finalist,
        "better than the next": _probability(lead.probability) if lead else "",
        "of its trials": ", ".join(counts),
    }


def _probability(probability: float) -> str:
    """Return a probability with two digits; never as certain."""
    if probability > 0.99:
        return "> 0.99"
    return "< 0.01" if probability < 0.01 else f"{probability:.2f}"


def option_sentences(comparison: OptionComparison) -> Iterator[str]:
    """Yield the finding about the two best options, then how the table is made and what limits it."""
    options, k = comparison.options, comparison.k
    yield _finding(comparison)
    ours, theirs = options[0], options[1] if len(options) > 1 else None
    if ours.lead and ours.lead.by_finalists and theirs:
        one, other = ours.after(k), theirs.after(k)
        if one and other and comparison.objective.better(other.mean, one.mean):
            yield (
                f"The expected best after {k} trials each is the other way round: {_shown(other)} of "
                f"{_text(theirs.label)} against {_shown(one)} of {_text(ours.label)}."
            )
    yield (
        f"Expected best of {k} of an option's trials, drawn without replacement (Tang et al. 2020, arXiv:2004.13705); "
        f"{_PERCENT} band: {METHOD}. Pruned trials count with their best value, failed ones do not count."
    )
    yield CAUTION
    if any(option.worst for option in options):
        yield (
            "Trials that diverged or broke a limit count with the worst value of the study, "
            f"{comparison.worst_value:.5g}."
        )
    if comparison.sampler == "tpe":
        yield "The estimate takes trials for independent draws; those of the sampler tpe depend on the trials before."
    counts = [option.trials for option in options]
    if max(counts) > min(counts) + 1:
        yield (
            "The options have different numbers of trials, and are compared after the smallest of these; "
            "`search.balance` in a study file gives all the same number."
        )
    if empty := [_text(option.label) for option in options if not option.trials]:
        yield f"No trial of {', '.join(empty)} counts."


def _finding(comparison: OptionComparison) -> str:
    """Return the sentence about the two best options."""
    options, k, metric = comparison.options, comparison.k, comparison.objective.metric
    ours, theirs = options[0], options[1] if len(options) > 1 else None
    first = _text(ours.label)
    if theirs is None or not theirs.trials:
        return f"Only {first} has trials that count, so it is compared with nothing."
    second, lead = _text(theirs.label), ours.lead
    if lead is None:
        return f"{first} and {second} cannot be told apart: one of them has a single trial that counts."
    decidable = lead.by_finalists or k >= FEWEST
    if lead.by_finalists and ours.finalist and theirs.finalist and ours.finalist.interval and theirs.finalist.interval:
        means = (
            f"the mean {metric} of its best finalist, {ours.finalist.finalist.label}, is "
            f"{_shown(ours.finalist.interval)} against {_shown(theirs.finalist.interval)} of "
            f"{theirs.finalist.finalist.label}"
        )
        when, its = "", means if lead.probability >= AHEAD else means.replace("its best", f"{first}'s best")
    else:
        one, other = ours.after(k), theirs.after(k)
        assert one
        assert other
        when, its = f" after {k} trials each", f"expected best {metric} {_shown(one)} against {_shown(other)}"
    chance = f"{_probability(lead.probability).replace('> ', 'more than ').replace('< ', 'less than ')} ({lead.method})"
    if lead.probability >= AHEAD and decidable:
        return f"{first} is ahead of {second}{when}: {its}; the probability that it is ahead is {chance}."
    why = f"less than {AHEAD:g}" if decidable else f"but {k} trials each are too few to rely on it"
    return (
        f"{first} and {second} cannot be told apart{when}: {its}; the probability that {first} is ahead is {chance}, "
        f"{why}."
    )


def _text(label: Any) -> str:
    return label if isinstance(label, str) else value_text(label)


def _shown(interval: Interval) -> str:
    """Return `0.8941 [0.8922, 0.8960]`; with four significant digits where four decimals would hide the value."""
    if interval.low is None or interval.high is None or 1e-3 <= max(abs(interval.low), abs(interval.high)) < 1e3:
        return interval.shown()
    return f"{interval.mean:.4g} [{interval.low:.4g}, {interval.high:.4g}]"
