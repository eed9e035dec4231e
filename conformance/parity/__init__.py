"""Numerical proof: metrics, the tolerance rule, guards and the comparison."""
