"""The op row: everything the project knows of one operation, declared once.

Verifier, generator, emitters, readers, documentation and parametrised tests derive from rows. A
row's signature is written over type variables and expands to its `instances`, the concrete typings.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from grammar.numeric import select
from grammar.types import (
    BOOL,
    FLOATS,
    INTEGERS,
    SCALARS,
    SIGNED,
    SIZES,
    Element,
    Matrix,
    Scalar,
    Vector,
    scalar_of,
)

Meaning: TypeAlias = (
    Callable[[], Any]
    | Callable[[Any], Any]
    | Callable[[Any, Any], Any]
    | Callable[[Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any], Any]
)
"""What an op does to values, one argument per operand."""

Smoothness = Literal["smooth", "kinked", "step", "exact"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One concrete typing of an op."""

    operands: tuple[Element, ...]
    result: Element


@dataclass(frozen=True, slots=True)
class PerTyping:
    """A meaning that depends on the typing or on the attribute."""

    of: Callable[[Instance, int], Meaning]


_SCALAR_VARIABLES: dict[str, tuple[Scalar, ...]] = {
    "F": FLOATS,
    "I": INTEGERS,
    "J": SIGNED,
    "N": FLOATS + INTEGERS,
    "A": SCALARS,
    "B": (BOOL,),
}


def _element_choices(scalars: tuple[Scalar, ...]) -> tuple[Element, ...]:
    vectors = tuple(Vector(s, n) for s in scalars for n in SIZES if s.kind == "float")
    matrices = tuple(Matrix(s, n, n) for s in scalars for n in SIZES if s.kind == "float")
    return (*scalars, *vectors, *matrices)


_ELEMENT_VARIABLES: dict[str, tuple[Element, ...]] = {
    **_SCALAR_VARIABLES,
    "E": _element_choices(_SCALAR_VARIABLES["N"]),
    "X": _element_choices(FLOATS),
    "Y": (*_element_choices(FLOATS), *INTEGERS, BOOL),
}


def _expand(signature: str) -> tuple[Instance, ...]:
    """The typings of a signature such as `F Vn -> Vn`.

    Variables: F float, I integer, J signed integer, N numeric, A any scalar, B bool; E numeric
    scalar, vector or matrix; X the same without integers; Y the same with bool. `Vn` and `Mn` are
    a vector of n and an n by n matrix of the F that stands in the same signature (`V3`, `M4` fix
    n). A trailing prime makes an independent variable over the same types: `N -> N'`. A bar joins
    alternatives of equal arity: `F -> Vn | F -> Mn`.
    """
    if "|" in signature:
        return tuple(itertools.chain.from_iterable(map(_expand, signature.split("|"))))
    left, right = signature.split("->")
    operands, result = left.split(), right.strip()
    words = [*operands, result]
    sized = any(word[0] in "VM" for word in words)
    variables = {word for word in words if word[0] not in "VM"} | ({"F"} if sized else set[str]())
    names = sorted(variables)
    sizes = SIZES if any(word in ("Vn", "Mn") for word in words) else (0,)
    out: list[Instance] = []
    for n in sizes:
        for chosen in itertools.product(*(_ELEMENT_VARIABLES[name[0]] for name in names)):
            binding = dict(zip(names, chosen, strict=True))

            def concrete(word: str, n: int = n, binding: dict[str, Element] = binding) -> Element:
                if word[0] not in "VM":
                    return binding[word]
                scalar = binding["F"]
                assert isinstance(scalar, Scalar)
                size = n if word[1] == "n" else int(word[1])
                return Vector(scalar, size) if word[0] == "V" else Matrix(scalar, size, size)

            out.append(Instance(tuple(concrete(word) for word in operands), concrete(result)))
    return tuple(out)


def _no_attributes(instance: Instance) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operation of the language.

    - `signature`: see `_expand`; `only` drops typings for which it is false.
    - `group`: the family a preset weighs it by; `weight`: its share within the family.
    - `spell`: backend name -> alternative spellings, simplest first; read it by `spellings`. A
      spelling is a Python expression over the operands `a`, `b`, ..., the type holes `T` (scalar
      of the first operand), `S` (scalar of the result), `R` (result type), `T(0.5)` for a literal
      (always of that type, never a bare number), the integers `i`, `j` (the attribute; a matrix
      element's row and column) and `n` (the size of the vector or matrix among operands or
      result). A key may end in `_vector` or `_matrix`: it replaces the plain one for typings
      whose largest type is of that kind. In JAX, vectors and matrices are trailing axes: "jax"
      holds under any leading batch axes, which operands may have or lack separately; "jax_lane"
      adds forms that hold only where no operand has a batch axis.
    - `requires`: per operand, the name of a domain in `grammar.ranges` that keeps the op defined
      and its gradient tame, or "".
    - `range`: the name of the rule in `grammar.ranges` that bounds the result.
    - `partials`: per operand, the partial derivative as an expression in the op vocabulary over
      `a`, `b`, ... and the result `y` (see `grammar.ops.expression`); "" where the operand carries
      no gradient. None: the op declares no derivative. An expression that mentions `g`, the
      cotangent of the result, is the whole pulled-back cotangent; one that does not is the factor
      of `g`. Operands and results that are not floats carry no gradient.
    - `smoothness`: where gradients may be compared: "smooth" on the whole required domain,
      "kinked" away from ties and kinks, "step" nowhere sloped, "exact" for integers and logic.
    - `attributes`: how many values the integer attribute has for a typing; 0 means no attribute.
    - `commutes`: operands may be exchanged without changing the result, bit for bit.
    - `meaning`: the op in NumPy, of operands with element axes trailing. It is written with
      operators, indexing of trailing axes, NumPy's ufuncs and the functions of `grammar.numeric`,
      so that it holds for arrays of working precision and for values with error bounds alike.
      Its steps are those of the spellings that round most, so that bounds are theirs. Read it by
      `means`.
    """

    name: str
    signature: str
    doc: str
    group: str
    spell: Mapping[str, tuple[str, ...]]
    meaning: Meaning | PerTyping
    weight: int = 4
    requires: tuple[str, ...] = ()
    range: str = "any"
    partials: tuple[str, ...] | None = None
    smoothness: Smoothness = "exact"
    attributes: Callable[[Instance], int] = _no_attributes
    only: Callable[[Instance], bool] | None = None
    commutes: bool = False
    unsupported: Mapping[str, Callable[[Instance], bool]] = field(
        default_factory=lambda: MappingProxyType[str, Callable[[Instance], bool]]({})
    )

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """Every concrete typing, simplest first."""
        made = _expand(self.signature)
        return made if self.only is None else tuple(i for i in made if self.only(i))

    @cached_property
    def typings(self) -> frozenset[tuple[tuple[Element, ...], Element]]:
        """The instances as a set of (operand types, result type), for membership tests."""
        return frozenset((i.operands, i.result) for i in self.instances)

    @cached_property
    def arity(self) -> int:
        return len(self.signature.split("->")[0].split())

    def means(self, instance: Instance, attribute: int) -> Callable[..., Any]:
        """The meaning at one typing and attribute."""
        meaning = self.meaning
        return meaning.of(instance, attribute) if isinstance(meaning, PerTyping) else meaning

    def spellings(self, instance: Instance, backend: str, *, lane: bool = False) -> tuple[str, ...]:
        """The spellings of one typing, simplest first.

        `lane` tells that no operand has a batch axis, which allows more forms (JAX only).
        """
        kinds = {type(type_) for type_ in (*instance.operands, instance.result)}
        kind = "_matrix" if Matrix in kinds else "_vector" if Vector in kinds else ""
        spell = self.spell
        batch = spell.get(backend + kind) or spell[backend]
        if not lane:
            return batch
        name = f"{backend}_lane"
        return (*(spell.get(name + kind) or spell.get(name, ())), *batch)

    def indices(self, instance: Instance, attribute: int) -> tuple[int, ...]:
        """The attribute as the integers `i`, `j` of spellings; empty for ops without attribute."""
        count = self.attributes(instance)
        if not count:
            return ()
        size = size_of(instance)
        return divmod(attribute, size) if count == size * size else (attribute,)

    def supported(self, instance: Instance, backend: str) -> bool:
        """Whether the backend has this typing."""
        lacks = self.unsupported.get(backend)
        return lacks is None or not lacks(instance)


def size_of(instance: Instance) -> int:
    """The components, or rows, of the vector or matrix among operands or result; 0 without one."""
    for type_ in (*instance.operands, instance.result):
        if isinstance(type_, Vector):
            return type_.size
        if isinstance(type_, Matrix):
            return type_.rows
    return 0


def not_unsigned(instance: Instance) -> bool:
    """Whether a typing's result may be negative."""
    result = instance.result
    return not (isinstance(result, Scalar) and result.kind == "uint")


def number_type(scalar: Scalar) -> type[Any]:
    """The NumPy type of plain numbers of a scalar; bfloat16 is held in float32."""
    return np.dtype("float32" if scalar.dtype == "bfloat16" else scalar.dtype).type


def either(test: Callable[[Any], Any], a: float, b: float) -> PerTyping:
    """The meaning that is the number `a` where an operand passes a test, else `b`."""

    def at(instance: Instance, attribute: int) -> Meaning:
        number = number_type(scalar_of(instance.result))
        yes, no = number(a), number(b)
        return lambda operand: select(test(operand), yes, no)

    return PerTyping(at)


def unary(
    name: str,
    doc: str,
    group: str,
    partial: str,
    warp: tuple[str, ...],
    jax: tuple[str, ...],
    *,
    requires: str = "",
    range: str,
    meaning: Meaning | PerTyping,
    smoothness: Smoothness = "smooth",
    weight: int = 4,
) -> Op:
    """A row of one float operand and a float result of the same type."""
    return Op(
        name=name,
        signature="F -> F",
        doc=doc,
        group=group,
        spell={"warp": warp, "jax": jax},
        meaning=meaning,
        requires=(requires,),
        range=range,
        partials=(partial,),
        smoothness=smoothness,
        weight=weight,
    )
