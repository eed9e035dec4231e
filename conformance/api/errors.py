"""What the API raises beside the errors of the engine."""

from __future__ import annotations

from conformance.errors import ConformanceError
from conformance.single import Certificate


class OnnxVerificationError(ConformanceError):
    """It could not be found out whether a hub model ships an ONNX file, or the file is unusable."""


class OnnxConversionError(ConformanceError):
    """A model could not be converted and proven.

    Attributes:
        certificate: the evidence, where the conversion got as far as the engine.
    """

    def __init__(self, message: str, certificate: Certificate | None = None) -> None:
        super().__init__(message)
        self.certificate = certificate
