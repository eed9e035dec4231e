"""Does a conversion hold at other shapes than the traced one?

Where the source is at hand, :func:`plan_probes` says which shapes to try,
:func:`answer_probes` asks the source and :func:`answer_probes_in_float64` asks it again, in
float64; all of it is part of the bundle. Where the bundle is at hand, :func:`generalization`
asks the ONNX model the same and compares.
"""

from conformance.shapes.asking import answer_probes, answer_probes_in_float64
from conformance.shapes.judging import generalization
from conformance.shapes.plan import plan_probes

__all__ = ["answer_probes", "answer_probes_in_float64", "generalization", "plan_probes"]
