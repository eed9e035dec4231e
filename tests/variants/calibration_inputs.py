"""Input factories as zoos name them: two that know what calibration needs, and liars."""

from __future__ import annotations

import numpy as np


def the_same(seed):
    """Ignores the seed: whoever asks gets what is judged."""
    rng = np.random.default_rng(5)
    return [{"x": rng.normal(size=(rows, 32)).astype("f4")} for rows in (16, 40)]


def from_few(seed):
    """Draws rows from a pool of 100, so that most are met again under another seed."""
    pool = np.random.default_rng(6).normal(size=(100, 32)).astype("f4")
    order = np.random.default_rng(seed).permutation(100)
    return [{"x": pool[order[:16]]}, {"x": pool[order[16:56]]}]


def held_out(seed, scale=1.0):
    """Rows of its own; a scale of one thousandth is a liar's."""
    return [{"x": scale * np.random.default_rng(seed).normal(size=(64, 32)).astype("f4")}]


def constant(seed):
    """One value everywhere."""
    return [{"x": np.full((64, 32), 0.5, "f4")}]
