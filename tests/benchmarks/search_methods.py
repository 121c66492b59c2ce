"""Search methods compared on the recorded learning curves of a pool (see `curves`), without training anything.

    python -m tests.benchmarks.search_methods [--pool mlp|cnn] [--seeds 30] [--out FILE.json]
    python -m tests.benchmarks.search_methods --table FILE.json      # print an earlier comparison

Every method chooses from the same finite pool by its own acquisition, each member at most once. One worker trains one
member at a time. The cost is the number of epochs trained; only the method's own pruner ends a training early. After
the epochs of 5, 10 and 20 full trainings, the incumbent is the member with the highest validation accuracy seen so far.
Its accuracy is the best of its whole recorded curve. Intervals are 95 % intervals of Student's t over the seeds.

`search_pool` holds the pool and the simulation, `search_choosers` the rule by which TPE chooses from a pool, and
`search_oracles` the methods.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .curves import POOLS, read
from .search_oracles import METHODS
from .search_pool import SearchPool, Simulation

# The numbers of full trainings at which methods are compared.
TRAININGS = (5, 10, 20)
# The method that the others are compared with.
REFERENCE = "hpsearch"
# The number of trials that hpsearch's study has: the pruner `asha` prunes paused trials by it. With 120 trials a study
# costs about 20 full trainings; the pool cnn has only 43 members.
TOTALS = {"mlp": 120, "cnn": 43}


def half_width(values: Sequence[float]) -> float | None:
    """Return half the width of the 95 % interval of the mean (Student's t); None for a single value."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    return float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))


def finals(pool: SearchPool, name: str, seeds: int, trainings: Sequence[int] = TRAININGS) -> list[list[float]]:
    """Return the final accuracy of a method's incumbent at each point, for each seed."""
    points = [each * pool.epochs for each in trainings]
    runs = (Simulation(METHODS[name].make(pool, seed), points).run() for seed in range(seeds))
    return [list(each) for each in zip(*([member.final for member in run] for run in runs), strict=True)]


def compare(pool: SearchPool, seeds: int, names: Iterable[str] = METHODS) -> dict[str, Any]:
    """Return the comparison of some methods as plain data.

    Args:
        pool: to search.
        seeds: the number of searches of each method.
        names: of the methods; the reference is always among them.
    """
    found = {}
    for name in [name for name in METHODS if name == REFERENCE or name in set(names)]:
        began = time.monotonic()
        found[name] = finals(pool, name, seeds)
        print(f"{name}: {seeds} searches in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return {
        "members": len(pool.members),
        "epochs": pool.epochs,
        "total": pool.total,
        "seeds": seeds,
        "trainings": list(TRAININGS),
        "best_of_pool": max(member.final for member in pool.members),
        "best_default": max(member.final for member in pool.defaults),
        "methods": {name: _summary(values, found[REFERENCE]) for name, values in found.items()},
    }


def _summary(values: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the statistics of a method: a list over the points under each key."""
    pairs = [list(zip(own, other, strict=True)) for own, other in zip(values, reference, strict=True)]
    differences = [[own - other for own, other in each] for each in pairs]
    return {
        "final": [list(each) for each in values],
        "mean": [statistics.fmean(each) for each in values],
        "half_width": [half_width(each) for each in values],
        "difference": [statistics.fmean(each) for each in differences],
        "difference_half_width": [half_width(each) for each in differences],
    }


def table(comparison: dict[str, Any]) -> str:
    """Return a comparison as an aligned table, with sentences below it."""
    points = [f"after {each}" for each in comparison["trainings"]]
    lines = [["method", *points, *(f"{each}: minus {REFERENCE}" for each in points)]]
    for name, row in comparison["methods"].items():
        own = [_interval(*each) for each in zip(row["mean"], row["half_width"], strict=True)]
        difference = zip(row["difference"], row["difference_half_width"], strict=True)
        lines.append([name, *own, *("" if name == REFERENCE else _interval(*each, sign="+") for each in difference)])
    for label, key in (("best of the Keras defaults", "best_default"), ("best of the pool", "best_of_pool")):
        lines.append([label, *[f"{100 * comparison[key]:.2f}"] * len(points), *[""] * len(points)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    about = [f"  {name}: {METHODS[name].about}" for name in comparison["methods"] if name in METHODS]
    return "\n".join([*rows, "", _explanation(comparison), *about])


def _interval(mean: float, half: float | None, sign: str = "") -> str:
    return f"{100 * mean:{sign}.2f}" + ("" if half is None else f" ± {100 * half:.2f}")


def _explanation(comparison: dict[str, Any]) -> str:
    trainings = ", ".join(map(str, comparison["trainings"]))
    return textwrap.fill(
        f"Validation accuracy in % of the incumbent after the epochs of {trainings} full trainings of "
        f"{comparison['epochs']} epochs: mean over {comparison['seeds']} seeds and 95 % interval; then the paired "
        f"difference to {REFERENCE} in percentage points. Each method chooses from the same {comparison['members']} "
        f"recorded configurations. A study of hpsearch has {comparison['total']} trials.",
        width=120,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.search_methods", description=__doc__)
    parser.add_argument("--pool", choices=POOLS, default="mlp")
    parser.add_argument("--seeds", type=int, default=30, help="searches of each method")
    parser.add_argument("--method", choices=METHODS, action="append", help="only this method; may be repeated")
    parser.add_argument("--out", type=Path, help="JSON file to write the comparison to")
    parser.add_argument("--table", type=Path, help="print the comparison in this file, and search nothing")
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))))
        return 0
    pool = SearchPool(POOLS[options.pool].study, read(options.pool), TOTALS[options.pool])
    comparison = {"pool": options.pool, **compare(pool, options.seeds, options.method or METHODS)}
    if options.out:
        options.out.write_text(json.dumps(comparison, indent=1), encoding="utf-8")
    print(table(comparison))
    return 0


if __name__ == "__main__":
    sys.exit(main())
