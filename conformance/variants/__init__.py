"""Forms of a converted model that are checked beside, or in place of, the plain one."""

#: Every known variant; ``fp32`` is the model as the exporter wrote it.
VARIANTS: tuple[str, ...] = ("fp32",)
