"""Benchmarks that print a ratio against what they are compared with, from one run."""
