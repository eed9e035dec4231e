"""How a stage is run: in this process, or in a child that can be killed.

Nothing here knows what the work is; see :mod:`conformance.execution.contract`.
"""
