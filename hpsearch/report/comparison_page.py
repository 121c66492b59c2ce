"""A comparison as pictures (Plotly), and as one HTML file that needs no network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
from plotly.colors import qualitative, sample_colorscale
from plotly.offline import get_plotlyjs

from hpsearch.analysis.comparison import (
    MEASURED,
    Comparison,
    Growth,
    Measured,
    Point,
    Spread,
    capital,
    notes,
    option_text,
    table,
    words,
)
from hpsearch.catalogue.metrics import SUMMARY_METRICS

_DASHES = ("solid", "dash", "dot", "dashdot")
# Beyond this many groups the bands hide each other; a click on the legend shows single ones.
_BANDS = 9


@dataclass(frozen=True)
class Picture:
    """A figure with the sentence below it."""

    figure: go.Figure
    caption: str


def pictures(comparison: Comparison) -> Iterator[Picture]:
    """Yield every picture that the section `compare` asks for and that has values."""
    section = comparison.section
    for name in section.values:
        if any(point.metrics[name].count for point in comparison.points):
            yield over_values(comparison, name)
    if section.best_of and len(set(_numbers(comparison.every, section.best_of[0]))) > 1:
        yield over_best_of(comparison)
    for metric in section.curves:
        if any(metric in row.metrics for t in _trials(comparison.points) for row in t.record.epochs):
            yield over_epochs(comparison, metric)
    for fit in comparison.growth:
        yield over_size(comparison, fit)


def over_epochs(comparison: Comparison, metric: str) -> Picture:
    """Return a metric over the epochs: the mean line of each point with a band of one standard deviation."""
    figure = go.Figure()
    colours = _colours([point.x for point in comparison.points])
    drawn = [mean_curve(point, metric) for point in comparison.points]
    steep = metric != "learning_rate" and _is_steep([spread.mean for curve in drawn for _, spread in curve])
    bands = len(comparison.points) <= _BANDS and not steep
    for index, (point, curve) in enumerate(zip(comparison.points, drawn, strict=True)):
        epochs, means = [epoch for epoch, _ in curve], [spread.mean for _, spread in curve]
        colour, name = colours[index], _name(point.group)
        line = {"color": colour, "dash": _dash(index, colours), "width": 2}
        figure.add_scatter(
            x=epochs,
            y=means,
            name=name,
            legendgroup=name,
            mode="lines+markers" if len(epochs) < 3 else "lines",
            line=line,
            customdata=[[spread.std or 0.0, spread.count] for _, spread in curve],
            hovertemplate="epoch %{x}: %{y:.4g} ± %{customdata[0]:.2g} (%{customdata[1]} trials)",
        )
        banded = [(epoch, s.mean, s.std) for epoch, s in curve if s.mean is not None and s.std is not None]
        if bands and banded:
            figure.add_scatter(
                x=[epoch for epoch, _, _ in banded] + [epoch for epoch, _, _ in reversed(banded)],
                y=[mean + std for _, mean, std in banded] + [mean - std for _, mean, std in reversed(banded)],
                fill="toself",
                fillcolor=colour,
                opacity=0.15,
                line={"width": 0},
                mode="lines",
                legendgroup=name,
                showlegend=False,
                hoverinfo="skip",
            )
    label = SUMMARY_METRICS[metric].label
    _lay_out(figure, f"{capital(label)} over the epochs", "epoch", label, comparison.section.by)
    figure.update_xaxes(dtick=1 if _longest(comparison) <= 12 else None)
    figure.update_yaxes(type="log" if steep else "linear")
    band = ", band: one standard deviation" if bands else ""
    return Picture(figure, f"Line: mean over the seeds that trained so far{band}. Click on a name to hide it.")


def _is_steep(values: Sequence[float | None]) -> bool:
    """Return whether only a logarithmic axis shows all values, for instance where one loss has exploded."""
    given = [value for value in values if value is not None]
    return bool(given) and min(given) > 0 and max(given) > 100 * min(given)


def mean_curve(point: Point, metric: str) -> list[tuple[int, Spread]]:
    """Return the metric's spread over the trials at each epoch that any of them reached."""
    values: dict[int, list[float]] = {}
    for trial in point.trials:
        for row in trial.record.epochs if trial.record.outcome in MEASURED else ():
            if math.isfinite(row.metrics.get(metric, math.nan)):
                values.setdefault(row.epoch, []).append(row.metrics[metric])
    return [(epoch, Spread.of(values[epoch])) for epoch in sorted(values)]


def over_values(comparison: Comparison, name: str) -> Picture:
    """Return a metric over the first name in `by`, with a line for each combination of the other names."""
    section, figure = comparison.section, go.Figure()
    first = section.by[0]
    numeric = all(point.x is not None for point in comparison.points)

    def x_of(point: Point | Measured) -> Any:
        return point.x if numeric else option_text(point.group[first])

    lines = _lines(comparison.points, lambda point: _name({k: v for k, v in point.group.items() if k != first}))
    _draw(figure, lines, name, x_of, joined=numeric)
    label = SUMMARY_METRICS[name].label
    _lay_out(figure, f"{capital(label)} by {words(first)}", words(first), label, section.by[1:])
    if numeric:
        ticks = {point.x: option_text(point.group[first]) for point in comparison.points}
        figure.update_xaxes(
            type="log" if section.log_x else "linear", tickvals=list(ticks), ticktext=list(ticks.values())
        )
    else:
        order = list(dict.fromkeys(option_text(point.group[first]) for point in comparison.points))
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=order)
    return Picture(figure, _ERROR_BARS)


def over_best_of(comparison: Comparison) -> Picture:
    """Return the objective over the first name in `best_of`, with every point of each group."""
    first, metric, figure = comparison.section.best_of[0], comparison.objective.metric, go.Figure()
    points = [point for point in comparison.every if _numbers([point], first)]
    _draw(figure, _lines(points, lambda point: _name(point.group)), metric, lambda p: p.at[first], joined=True)
    label = SUMMARY_METRICS[metric].label
    _lay_out(figure, f"{capital(label)} by {words(first)}, every point", words(first), label, comparison.section.by)
    figure.update_xaxes(type="log" if min(_numbers(points, first)) > 0 else "linear")
    return Picture(figure, f"{_ERROR_BARS} The table shows the best point of each line.")


def over_size(comparison: Comparison, fit: Growth) -> Picture:
    """Return a metric over the size on logarithmic axes, with the fitted power law."""
    figure, first = go.Figure(), comparison.section.by[0]
    points = [point for point in comparison.points if point.x is not None]
    _draw(figure, {"mean of the seeds": points}, fit.metric, lambda point: point.x, joined=False)
    sizes = sorted(point.x for point in points if point.x is not None)
    steps = [sizes[0] * (sizes[-1] / sizes[0]) ** (i / 40) for i in range(41)]
    error = f" ± {fit.standard_error:.2f}" if fit.standard_error is not None else ""
    figure.add_scatter(
        x=steps,
        y=[fit.factor * x**fit.exponent for x in steps],
        name=f"{fit.factor:.3g} · {words(first)}^{fit.exponent:.2f}{error}",
        mode="lines",
        line={"color": "#666666", "dash": "dash"},
        hoverinfo="skip",
    )
    label = SUMMARY_METRICS[fit.metric].label
    _lay_out(figure, f"Growth of {label} with {words(first)}", words(first), label, ())
    ticks = {point.x: option_text(point.group[first]) for point in points}
    figure.update_xaxes(type="log", tickvals=list(ticks), ticktext=list(ticks.values()))
    figure.update_yaxes(type="log", dtick="D2")
    return Picture(
        figure, f"{_ERROR_BARS} Dashed: least squares of the logarithms of {fit.points} means, standard error."
    )


_ERROR_BARS = "Markers: mean over the seeds, bars: one standard deviation, small dots: single trials."


def _draw(
    figure: go.Figure,
    lines: Mapping[str, Sequence[Point]],
    name: str,
    x_of: Callable[[Any], Any],
    *,
    joined: bool,
) -> None:
    """Draw the points of each line with error bars, and single trials as dots."""
    colours = _colours([None] * len(lines))
    for index, (line, points) in enumerate(lines.items()):
        trials = [t for t in _trials(points) if t.metrics[name] is not None]
        figure.add_scatter(
            x=[x_of(trial) for trial in trials],
            y=[trial.metrics[name] for trial in trials],
            text=[f"trial {trial.record.number}, seed {trial.record.flat.get('seed')}" for trial in trials],
            hovertemplate="%{text}: %{y:.4g}<extra></extra>",
            mode="markers",
            marker={"color": colours[index], "size": 4, "opacity": 0.4},
            legendgroup=line,
            showlegend=False,
        )
        given = [point for point in points if point.metrics[name].count]
        figure.add_scatter(
            x=[x_of(point) for point in given],
            y=[point.metrics[name].mean for point in given],
            error_y={"type": "data", "array": [point.metrics[name].std or 0.0 for point in given], "thickness": 1.5},
            customdata=[[point.metrics[name].count] for point in given],
            hovertemplate="%{x}: %{y:.4g} ± %{error_y.array:.2g} (%{customdata[0]} trials)",
            name=line or "mean",
            legendgroup=line,
            showlegend=bool(line),
            mode="lines+markers" if joined else "markers",
            line={"color": colours[index], "dash": _dash(index, colours)},
            marker={"color": colours[index], "size": 9},
        )


def _lines(points: Sequence[Point], name: Callable[[Point], str]) -> dict[str, list[Point]]:
    lines: dict[str, list[Point]] = {}
    for point in points:
        lines.setdefault(name(point), []).append(point)
    return lines


def _lay_out(figure: go.Figure, title: str, x: str, y: str, names: Sequence[str]) -> None:
    """Set titles and axes; `names` are the names whose values the legend lists."""
    figure.update_layout(
        title={"text": title},
        template="plotly_white",
        height=520,
        margin={"l": 80, "r": 30, "t": 60, "b": 60},
        legend={"title": {"text": ", ".join(map(words, names))}},
        font={"size": 14},
        hoverlabel={"namelength": -1},
    )
    figure.update_xaxes(title_text=x, showline=True, linecolor="#999999", ticks="outside")
    figure.update_yaxes(title_text=y, showline=True, linecolor="#999999", ticks="outside", exponentformat="power")


def _colours(xs: Sequence[float | None]) -> list[str]:
    """Return a colour for each group: along a scale where the groups are numbers, else distinct colours."""
    sizes = sorted({x for x in xs if x is not None})
    if len(sizes) > 1 and None not in xs:
        shades = sample_colorscale("Viridis", [0.9 * rank / (len(sizes) - 1) for rank in range(len(sizes))])
        return [shades[sizes.index(x)] for x in xs if x is not None]
    palette = qualitative.D3
    return [palette[index % len(palette)] for index in range(len(xs))]


def _dash(index: int, colours: Sequence[str]) -> str:
    """Return the dash of a group's line; groups that share a colour have different dashes."""
    return _DASHES[colours[:index].count(colours[index]) % len(_DASHES)]


def _numbers(points: Sequence[Point], name: str) -> list[float]:
    """Return the values under a name of `best_of` that are numbers."""
    values = [point.at[name] for point in points]
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


def _trials(points: Sequence[Point]) -> list[Measured]:
    return [trial for point in points for trial in point.trials]


def _longest(comparison: Comparison) -> int:
    return max((len(trial.record.epochs) for trial in _trials(comparison.points)), default=0)


def _name(values: Mapping[str, Any]) -> str:
    return ", ".join(option_text(value) for value in values.values())


_SETTINGS = {"displaylogo": False, "responsive": True}
_TEMPLATE = Path(__file__).with_name("comparison.html.jinja")


def html_report(comparison: Comparison) -> str:
    """Return the page: table, remarks and pictures. Plotly's code is part of it, so it needs no network."""
    drawn = [
        {
            "html": each.figure.to_html(full_html=False, include_plotlyjs=False, config=_SETTINGS),
            "caption": each.caption,
        }
        for each in pictures(comparison)
    ]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        study=comparison.study,
        description=comparison.description,
        plotly=get_plotlyjs(),
        rows=table(comparison),
        notes=notes(comparison),
        pictures=drawn,
    )
