"""Does a conversion hold at other shapes than the traced one?

Where the source is at hand, :func:`plan_probes` says which shapes to try and
:func:`answer_probes` asks the source; both are part of the bundle. Where the bundle is at
hand, :func:`generalization` asks the ONNX model the same and compares.
"""

from conformance.shapes.asking import answer_probes
from conformance.shapes.judging import generalization
from conformance.shapes.plan import plan_probes

__all__ = ["answer_probes", "generalization", "plan_probes"]
