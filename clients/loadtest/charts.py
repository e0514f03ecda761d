"""Line charts as inline SVG: no script, no file beside it, coloured by the page's own variables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 8, 26
MAXIMUM_SERIES = 8
"""As many as there are colours; of more, those with the highest values are drawn."""
_TICKS = 5

Values = Sequence[float | None]
Series = Mapping[str, Values]


@dataclass(frozen=True)
class Chart:
    """One chart, drawn."""

    title: str
    unit: str
    svg: str
    legend: Sequence[str]
    """Names of its series, in the order of the colours."""
    left_out: int
    """How many series are not drawn."""


@dataclass(frozen=True)
class Axis:
    """From values to positions."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The position of a value."""
        low, high, here = self.low, self.high, value
        if self.logarithmic:
            low, high, here = math.log10(low), math.log10(high), math.log10(max(value, low))
        share = (here - low) / (high - low) if high > low else 0.0
        return self.begin + share * (self.end - self.begin)


def over_time(
    title: str,
    unit: str,
    times_s: Sequence[float],
    series: Series,
    *,
    logarithmic: bool = False,
    warm_up_s: float = 0.0,
    end_s: float | None = None,
) -> Chart | None:
    """Lines over the run; None where there is nothing to draw. The warm-up is shaded."""
    axis = Axis(0.0, max(end_s or 0.0, times_s[-1] if times_s else 0.0, 1e-9), LEFT, WIDTH - RIGHT)
    ticks = [(value, f"{value:g} s") for value in _nice(0.0, axis.high) if value <= axis.high]
    shade = ""
    if warm_up_s:
        width = axis.at(min(warm_up_s, axis.high)) - LEFT
        height = HEIGHT - TOP - BOTTOM
        shade = f'<rect class="warm-up" x="{LEFT}" y="{TOP}" width="{width:.1f}" height="{height}"/>'
    return _chart(title, unit, times_s, series, axis, ticks, lambda at: f"{at:.0f} s", logarithmic, shade)


def percentiles(title: str, curves: Mapping[str, Sequence[tuple[float, float]]]) -> Chart | None:
    """Latency by percentile, spread so that each nine of the tail has as much room."""
    percents = [percent for percent, _ in max(curves.values(), key=len, default=())]
    if not percents:
        return None
    spread = [-math.log10(1 - percent / 100) for percent in percents]
    axis = Axis(0.0, spread[-1], LEFT, WIDTH - RIGHT)
    ticks = [
        (-math.log10(1 - percent / 100), f"p{percent:g}")
        for percent in (50, 90, 99, 99.9, 99.99)
        if percent <= percents[-1]
    ]
    series = {name: [value or None for percent, value in curve] for name, curve in curves.items()}
    names = dict(zip(spread, (f"p{percent:g}" for percent in percents), strict=True))
    return _chart(title, "ms", spread, series, axis, ticks, names.__getitem__, True, "")


def _chart(
    title: str,
    unit: str,
    xs: Sequence[float],
    series: Series,
    across: Axis,
    ticks: Sequence[tuple[float, str]],
    said: Callable[[float], str],
    logarithmic: bool,
    behind: str,
) -> Chart | None:
    ranked = sorted(series, key=lambda name: -max((v for v in series[name] if v is not None), default=-1.0))
    kept = [name for name in series if name in ranked[:MAXIMUM_SERIES]]
    values = [v for name in kept for v in series[name] if v is not None and (v > 0 or not logarithmic)]
    if not values:
        return None
    up = _upward(values, logarithmic)
    parts = [behind]
    for value in _decades(up) if logarithmic else _nice(0.0, up.high):
        if up.low <= value <= up.high * 1.001:
            y = up.at(value)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>'
            )
    for value, text in ticks:
        x = across.at(value)
        anchor = "end" if x > WIDTH - RIGHT - 14 else "middle"
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{text}</text>')
    parts += [_line(xs, series[name], across, up, number, logarithmic) for number, name in enumerate(kept)]
    parts += _hover(xs, {name: series[name] for name in kept}, across, said, unit)
    label = escape(f"{title}, {unit}", quote=True)
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return Chart(title, unit, svg, kept, len(series) - len(kept))


def _upward(values: Sequence[float], logarithmic: bool) -> Axis:
    high = max(values)
    if not logarithmic:
        top = _nice(0.0, high)[-1] or 1.0
        return Axis(0.0, max(top, high), HEIGHT - BOTTOM, TOP)
    low = 10 ** math.floor(math.log10(min(values)))
    top = 10 ** math.ceil(math.log10(high))
    top = next((f * top / 10 for f in (2, 5) if f * top / 10 >= high), top)
    return Axis(low, max(top, 10 * low), HEIGHT - BOTTOM, TOP, logarithmic=True)


def _line(xs: Sequence[float], values: Values, across: Axis, up: Axis, number: int, logarithmic: bool) -> str:
    """One series; where a value is missing, the line is broken, and a value alone is a dot."""
    runs: list[list[str]] = [[]]
    for x, value in zip(xs, values, strict=False):
        if value is None or (logarithmic and value <= 0):
            runs.append([])
        else:
            runs[-1].append(f"{across.at(x):.1f},{up.at(value):.1f}")
    drawn = []
    for run in runs:
        if len(run) == 1:
            left, top = run[0].split(",")
            drawn.append(f'<circle class="c{number}" cx="{left}" cy="{top}" r="2"/>')
        elif run:
            drawn.append(f'<polyline class="c{number}" points="{" ".join(run)}"/>')
    return "".join(drawn)


def _hover(
    xs: Sequence[float], series: Series, across: Axis, said: Callable[[float], str], unit: str
) -> list[str]:
    """A band for each position, whose title a pointer shows."""
    bands = []
    for index, x in enumerate(xs):
        left = (across.at(xs[index - 1]) + across.at(x)) / 2 if index else LEFT
        right = (across.at(xs[index + 1]) + across.at(x)) / 2 if index + 1 < len(xs) else WIDTH - RIGHT
        lines = [
            f"{name}: {_short(values[index])} {unit}"
            for name, values in series.items()
            if index < len(values) and values[index] is not None
        ]
        if lines:
            text = escape("\n".join([said(x), *lines]))
            bands.append(
                f'<rect class="band" x="{left:.1f}" y="{TOP}" width="{max(0.5, right - left):.1f}" '
                f'height="{HEIGHT - TOP - BOTTOM}"><title>{text}</title></rect>'
            )
    return bands


def _nice(low: float, high: float) -> list[float]:
    """Round values from `low` to at least `high`, about five of them."""
    if high <= low:
        return [low]
    rough = (high - low) / _TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [low + step * number for number in range(math.ceil((high - low) / step - 1e-9) + 1)]


def _decades(axis: Axis) -> list[float]:
    exponents = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    between = (1, 2, 5) if len(exponents) <= 4 else (1,)
    return [factor * 10.0**exponent for exponent in exponents for factor in between]


def _short(value: float | None) -> str:
    """`12M`, `12k`, `340`, `0.05`."""
    if value is None:
        return "-"
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
