"""How far from its source a shipped model's numbers may take it, by what its weights are stored as.

Measured (``docs/check.md``): what the forms that repositories ship get of 24 seeded and trained
models, and what models of other weights get. The floor of each dtype lies between the two. They
are lower than the budgets of variants, which ask whether a form is good; here it is asked whether
another explanation than the form is needed.
"""

from __future__ import annotations

import math

_FLOAT16_DB = 35.0

#: Dtype to the least signal-to-noise ratio, in dB, that it explains.
LEAST_SNR_DB = {
    "float16": _FLOAT16_DB,
    # no kernels to measure it by: it rounds eight times as coarsely
    "bfloat16": _FLOAT16_DB - 20 * math.log10(8),
    "int8": 7.0,
    "int4": 5.5,
}
