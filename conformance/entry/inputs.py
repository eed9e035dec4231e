"""What a model is given: tensors that are drawn, and the input sets they make."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from conformance.entry.strict import Strict, check_reference
from conformance.paths import check_path

Dtype = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool", "string"
]
_AXIS = re.compile(r"[A-Za-z_]\w*")
#: A path below the zoo file's folder.
_File = Annotated[str, AfterValidator(check_path)]


class TensorSpec(Strict):
    """One generated input tensor."""

    dtype: Dtype = "float32"
    shape: tuple[Annotated[int, Field(ge=0)] | str, ...]
    """Sizes; a name stands for a dynamic axis whose size each input set gives."""
    fill: (
        Literal["normal", "uniform", "integers", "mask", "left_mask", "ones", "zeros", "choice"]
        | None
    ) = None
    """How values are drawn. Default: normal for floats, integers for integers, a fair coin
    for bool, choice for string. ``mask``: ones, then zeros from a random position on;
    ``left_mask``: the other way round, as prompts are padded for generation."""
    low: float | None = None
    """Smallest value for uniform and integers (default 0)."""
    high: float | None = None
    """Upper bound, exclusive, for uniform and integers (default 1 and 2)."""
    values: tuple[JsonValue, ...] | None = None
    """The values that ``choice`` draws from."""

    @field_validator("shape")
    @classmethod
    def _axis_names(cls, shape: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for size in shape:
            if isinstance(size, str) and not _AXIS.fullmatch(size):
                raise ValueError(f"axis name '{size}' must be an identifier")
        return shape

    @model_validator(mode="after")
    def _choice_has_values(self) -> Self:
        needs_values = self.fill == "choice" or (self.fill is None and self.dtype == "string")
        if needs_values and not self.values:
            raise ValueError("a tensor drawn by 'choice' needs 'values'")
        return self


def _check_factory(factory: str | None, args: dict[str, JsonValue]) -> None:
    if factory is not None:
        check_reference(factory)
    elif args:
        raise ValueError("'args' goes with 'factory'")


class Calibration(Strict):
    """What the ranges of static quantization are measured on; never what a variant is judged on."""

    sets: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Input sets that are drawn for it as the entry's own are, by seeds of their own; 32 where
    nothing else is given."""
    factory: str | None = None
    """A Python function as that of ``inputs``, whose sets are taken instead: of training data,
    say."""
    args: dict[str, JsonValue] = {}
    """Keyword arguments for the factory."""
    files: tuple[_File, ...] | None = None
    """``.npz`` files as those of ``inputs``, which are read instead."""

    @model_validator(mode="after")
    def _from_one(self) -> Self:
        given = [name for name in ("sets", "factory", "files") if self._differs(name)]
        if len(given) > 1:
            raise ValueError(f"goes by one of sets, factory, files; found {' and '.join(given)}")
        _check_factory(self.factory, self.args)
        return self


class Inputs(Strict):
    """The input sets: the first is the one traced, the others vary every dynamic axis."""

    spec: dict[str, TensorSpec] | None = None
    """Input name to how its values are generated."""
    sets: tuple[dict[str, Annotated[int, Field(ge=0)]], ...] = ()
    """Sizes of the named axes, one mapping per input set; goes with ``spec``."""
    factory: str | None = None
    """A Python function, ``pkg.module:function``, called as ``function(seed=..., **args)``
    that returns a list of input sets, each a mapping of name to array."""
    args: dict[str, JsonValue] = {}
    """Keyword arguments for the factory."""
    files: tuple[_File, ...] | None = None
    """``.npz`` files, one per input set, relative to the zoo file, in whose folder they stay."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        kinds = ("spec", "factory", "files")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            found = f"found {' and '.join(given)}" if given else "found none"
            raise ValueError(f"needs exactly one of {', '.join(kinds)}; {found}")
        _check_factory(self.factory, self.args)
        if self.spec is not None:
            self._check_sets(self.spec)
        elif self.sets:
            raise ValueError("'sets' goes with 'spec'")
        return self

    def _check_sets(self, spec: dict[str, TensorSpec]) -> None:
        axes = {size for tensor in spec.values() for size in tensor.shape if isinstance(size, str)}
        for number, sizes in enumerate(self.sets):
            if unknown := sorted(sizes.keys() - axes):
                raise ValueError(f"sets[{number}] sizes unknown axis '{unknown[0]}'")
            if missing := sorted(axes - sizes.keys()):
                raise ValueError(f"sets[{number}] gives no size for axis '{missing[0]}'")
        for axis in sorted(axes):
            if len({sizes[axis] for sizes in self.sets}) <= 1:
                raise ValueError(
                    f"axis '{axis}' has the same size in every input set; "
                    "give it another size in at least one set after the first"
                )
