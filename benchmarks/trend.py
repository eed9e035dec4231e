"""How often step detection cries wolf, and how soon it sees a true step.

Beside it, on the same series, the naive rule: the mean of the last two points is over three
standard deviations of all earlier ones away from their mean. Seeded; no timing is involved.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from conformance.trend import detect_steps

SERIES = 250
_LENGTHS = (4, 6, 8, 10, 15, 30, 60)
_Noise = Callable[[np.random.Generator, int], np.ndarray]


def _correlated(rng: np.random.Generator, n: int) -> np.ndarray:
    """Gaussian noise of unit size whose neighbours correlate by 0.5."""
    noise = rng.normal(size=n)
    for i in range(1, n):
        noise[i] = 0.5 * noise[i - 1] + 0.75**0.5 * noise[i]
    return noise


_NOISES: dict[str, _Noise] = {
    "gaussian": lambda rng, n: rng.normal(size=n),
    "laplace": lambda rng, n: rng.laplace(size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "5% outliers": lambda rng, n: (
        rng.normal(size=n) + rng.exponential(10, n) * (rng.random(n) < 0.05)  # noqa: PLR2004 - 5%
    ),
    "correlated": _correlated,
}


def main() -> None:
    """Print both tables."""
    print(f"false alarms: percent of {SERIES} series without a step that show one; ours / naive")
    print(f"{'points':>8}" + "".join(f"{name:>14}" for name in _NOISES))
    for n in _LENGTHS:
        cells = []
        for noise in _NOISES.values():
            rng = np.random.default_rng(n)
            series = [100 + noise(rng, n) for _ in range(SERIES)]
            cells.append(_rates(series, lambda y: len(detect_steps(y)) > 1))
        print(f"{n:8}" + "".join(f"{cell:>14}" for cell in cells))
    print()
    print(f"steps found: percent of {SERIES} gaussian series with one step; ours / naive")
    print(f"{'before':>8}{'after':>8}" + "".join(f"{f'{h} sigma':>14}" for h in (3, 5, 10, 20)))
    for before in (8, 30):
        for after in (2, 3, 5, 10):
            cells = [_found(before, after, height) for height in (3, 5, 10, 20)]
            print(f"{before:8}{after:8}" + "".join(f"{cell:>14}" for cell in cells))


def _found(before: int, after: int, height: float) -> str:
    rng = np.random.default_rng(before)
    step = 100 + height * (np.arange(before + after) >= before)
    series = [step + rng.normal(size=before + after) for _ in range(SERIES)]
    return _rates(series, lambda y: abs(detect_steps(y)[-1].first - before) <= 1)


def _rates(series: list[np.ndarray], ours: Callable[[np.ndarray], bool]) -> str:
    rates = (100 * sum(map(rule, series)) / len(series) for rule in (ours, _naive))
    return " / ".join(f"{rate:.1f}" for rate in rates)


def _naive(y: np.ndarray) -> bool:
    past, now = y[:-2], y[-2:]
    return bool(abs(now.mean() - past.mean()) > 3 * past.std(ddof=1))
