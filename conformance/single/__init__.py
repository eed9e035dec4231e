"""One model at a time: found, converted, proven, and written with its certificate."""

from conformance.single.converting import Conversion, ConversionFailed, Place, convert
from conformance.single.document import CERTIFICATE, Certificate
from conformance.single.exits import EXIT_CODES, exit_code
from conformance.single.folder import OutputRefused
from conformance.single.steps import Listener, Progressed, Step

__all__ = [
    "CERTIFICATE",
    "EXIT_CODES",
    "Certificate",
    "Conversion",
    "ConversionFailed",
    "Listener",
    "OutputRefused",
    "Place",
    "Progressed",
    "Step",
    "convert",
    "exit_code",
]
