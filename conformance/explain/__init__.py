"""Explain a failure: which step brings the error in, at which node, in how small a model."""
