"""The words of each op: a noun for lists, and how its value is spoken of.

Most follow from the op's own line of documentation ("Hyperbolic sine." gives "the hyperbolic sine
of a"); `_WORDS` has those that do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS

Level = int
ATOM, PREFIX, INFIX, CLAUSE = range(4)
"""How tightly a phrase holds together. A clause says what holds: "a is less than b"."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """`text` has the operands as {0}, {1}, ..., the attribute as {i} and the result type as {t}.

    `enclosed` tells that brackets or commas already part the operands from one another.
    """

    noun: str
    text: str
    level: Level
    enclosed: bool


_WORDS: Mapping[str, tuple[str, str]] = {
    "add": ("sum", "{0} plus {1}"),
    "sub": ("difference", "{0} minus {1}"),
    "mul": ("product", "{0} times {1}"),
    "div": ("quotient", "{0} divided by {1}"),
    "neg": ("negation", ""),
    "square": ("square", ""),
    "cube": ("cube", ""),
    "reciprocal": ("reciprocal", ""),
    "midpoint": ("midpoint", ""),
    "squared_difference": ("squared difference", ""),
    "absolute_difference": ("absolute difference", ""),
    "multiply_add": ("multiply-add", "{0} times {1} plus {2}"),
    "lerp": ("interpolation", "the linear interpolation from {0} to {1} at {2}"),
    "fmod": ("remainder", "the remainder of {0} by {1}"),
    "floor_divide": ("floored quotient", "the floored quotient of {0} by {1}"),
    "min": ("minimum", ""),
    "max": ("maximum", ""),
    "clamp": ("clamp", "{0} clamped between {1} and {2}"),
    "select": ("selection", "{1} if {0}, else {2}"),
    "sign": ("sign", ""),
    "sign_not_zero": ("sign", "-1 if {0} is negative, else 1"),
    "copysign": ("copied sign", "the magnitude of {0} with the sign of {1}"),
    "step": ("step", "1 if {0} is negative, else 0"),
    "heaviside": ("unit step", "0 if {0} is negative, else 1"),
    "nonzero": ("test for zero", "1 if {0} is not zero, else 0"),
    "floor": ("floor", ""),
    "ceil": ("ceiling", ""),
    "trunc": ("whole part", ""),
    "round": ("rounding", "{0} rounded, halves away from zero"),
    "rint": ("rounding to even", "{0} rounded, halves to even"),
    "frac": ("fractional part", ""),
    "rsqrt": ("reciprocal square root", ""),
    "pow": ("power", "{0} to the power of {1}"),
    "hypot": ("hypotenuse", ""),
    "exp": ("exponential", ""),
    "exp2": ("power of two", "2 to the power of {0}"),
    "log2": ("base-2 logarithm", ""),
    "log10": ("base-10 logarithm", ""),
    "logaddexp": ("log-add-exp", ""),
    "erfc": ("complementary error function", ""),
    "erfinv": ("inverse error function", ""),
    "atan2": ("angle", "the angle of the point ({1}, {0})"),
    "degrees": ("conversion to degrees", "{0} in degrees"),
    "radians": ("conversion to radians", "{0} in radians"),
    "relu": ("ReLU", ""),
    "leaky_relu": ("leaky ReLU", ""),
    "sigmoid": ("sigmoid", ""),
    "softplus": ("softplus", ""),
    "softsign": ("softsign", ""),
    "smoothstep": ("smoothstep", ""),
    "log_sigmoid": ("log-sigmoid", ""),
    "silu": ("SiLU", ""),
    "gelu": ("GELU", "the tanh-approximated GELU of {0}"),
    "gelu_erf": ("GELU", ""),
    "elu": ("ELU", ""),
    "hard_tanh": ("hard tanh", ""),
    "relu6": ("ReLU6", ""),
    "div_trunc": ("truncated quotient", "the truncated quotient of {0} by {1}"),
    "rem": ("remainder", "the remainder of {0} by {1}"),
    "div_floor": ("floored quotient", "the floored quotient of {0} by {1}"),
    "modulo": ("modulo", "{0} modulo {1}"),
    "shift_left": ("left shift", "{0} shifted left by {1}"),
    "shift_right": ("right shift", "{0} shifted right by {1}"),
    "bit_test": ("bit test", "bit {1} of {0} is set"),
    "is_odd": ("parity test", "{0} is odd"),
    "lt": ("comparison", "{0} is less than {1}"),
    "gt": ("comparison", "{0} is greater than {1}"),
    "le": ("comparison", "{0} is at most {1}"),
    "ge": ("comparison", "{0} is at least {1}"),
    "eq": ("comparison", "{0} equals {1}"),
    "ne": ("comparison", "{0} differs from {1}"),
    "is_nan": ("test for NaN", "{0} is NaN"),
    "is_inf": ("test for infinity", "{0} is infinite"),
    "is_finite": ("test for finiteness", "{0} is finite"),
    "logical_and": ("conjunction", "both {0} and {1}"),
    "logical_or": ("disjunction", "either {0} or {1}"),
    "logical_not": ("logical negation", "not {0}"),
    "logical_xor": ("exclusive or", "just one of {0} and {1}"),
    "cast": ("conversion", "{0} as {t}"),
    "vec2": ("2-vector", "the vector ({0}, {1})"),
    "vec3": ("3-vector", "the vector ({0}, {1}, {2})"),
    "vec4": ("4-vector", "the vector ({0}, {1}, {2}, {3})"),
    **{
        f"with_component{n}": ("replaced component", "{0} with component {i} set to {1}")
        for n in (2, 3, 4)
    },
    "fill": ("fill", "a {t} filled with {0}"),
    "basis": ("basis vector", "a {t} of zeros with {0} in component {i}"),
    "component": ("component", "component {i} of {0}"),
    "scale": ("scaled vector", "{0} times {1}"),
    "vector_div": ("vector quotient", "{0} divided by {1}"),
    "vector_offset": ("offset vector", "{0} plus {1} in every component"),
    "dot": ("dot product", ""),
    "cross": ("cross product", ""),
    "triple": ("triple product", ""),
    "vector_lerp": ("interpolation", "the linear interpolation from {0} to {1} at {2}"),
    "vector_multiply_add": ("multiply-add", "{0} times {1} plus {2}"),
    "reflect": ("reflection", "the reflection of {0} about {1}"),
    "project": ("projection", "the projection of {0} onto {1}"),
    "length": ("length", ""),
    "length_squared": ("squared length", ""),
    "normalize": ("unit vector", "{0} normalized"),
    "squash": ("squashing", "{0} divided by 1 plus its squared length"),
    "distance": ("distance", "the distance between {0} and {1}"),
    "distance_squared": ("squared distance", "the squared distance between {0} and {1}"),
    "component_sign": ("componentwise sign", ""),
    "sum_components": ("sum of components", "the sum of the components of {0}"),
    "min_component": ("smallest component", ""),
    "max_component": ("largest component", ""),
    "argmin": ("argmin", "the place of the smallest component of {0}"),
    "argmax": ("argmax", "the place of the largest component of {0}"),
    "matrix2": ("2 by 2 matrix", "the matrix [[{0}, {1}], [{2}, {3}]]"),
    "rows2": ("matrix of rows", "the matrix of rows ({0}, {1})"),
    "rows3": ("matrix of rows", "the matrix of rows ({0}, {1}, {2})"),
    "rows4": ("matrix of rows", "the matrix of rows ({0}, {1}, {2}, {3})"),
    "columns2": ("matrix of columns", "the matrix of columns ({0}, {1})"),
    "columns3": ("matrix of columns", "the matrix of columns ({0}, {1}, {2})"),
    "columns4": ("matrix of columns", "the matrix of columns ({0}, {1}, {2}, {3})"),
    "identity": ("identity matrix", "the identity matrix"),
    "diagonal": ("diagonal matrix", ""),
    "get_diagonal": ("diagonal", ""),
    "element": ("element", "element {i} of {0}"),
    "row": ("row", "row {i} of {0}"),
    "column": ("column", "column {i} of {0}"),
    "skew": ("skew-symmetric matrix", ""),
    "matrix_scale": ("scaled matrix", "{0} times {1}"),
    "matrix_div": ("matrix quotient", "{0} divided by {1}"),
    "matvec": ("matrix-vector product", ""),
    "vecmat": ("vector-matrix product", ""),
    "matmat": ("matrix product", ""),
    "quadratic_form": ("quadratic form", "the quadratic form of {1} at {0}"),
    "ddot": ("double dot product", ""),
    "matrix_transpose": ("transpose", ""),
    "trace": ("trace", ""),
    "symmetrize": ("symmetric part", ""),
    "add_diagonal": ("diagonal shift", "{0} plus {1} on its diagonal"),
    "matrix_squash": ("squashing", "{0} divided by 1 plus its squared Frobenius norm"),
    "frobenius": ("Frobenius norm", ""),
    "number_div_vector": ("componentwise quotient", "{0} divided by each component of {1}"),
    "number_div_matrix": ("elementwise quotient", "{0} divided by each element of {1}"),
    **{f"last_component{n}": ("last component", "") for n in (2, 3, 4)},
    **{f"last_row{n}": ("last row", "") for n in (2, 3, 4)},
    **{f"last_element{n}": ("last element", "") for n in (2, 3, 4)},
    "wide_offset": ("wide offset", "{0} plus 4294967311"),
    "expm1": ("exponential less one", "the exponential of {0}, less 1"),
    "matmul": ("matrix product", ""),
    "reduce_sum": ("sum over an axis", "the sum of {0} over axis {i}"),
    "reduce_mean": ("mean over an axis", "the mean of {0} over axis {i}"),
    "reduce_max": ("maximum over an axis", "the maximum of {0} over axis {i}"),
    "reduce_min": ("minimum over an axis", "the minimum of {0} over axis {i}"),
    "reduce_prod": ("product over an axis", "the product of {0} over axis {i}"),
    "reduce_sum_keep": ("sum over an axis", "the sum of {0} over the kept axis {i}"),
    "reduce_mean_keep": ("mean over an axis", "the mean of {0} over the kept axis {i}"),
    "reduce_max_keep": ("maximum over an axis", "the maximum of {0} over the kept axis {i}"),
    "reduce_min_keep": ("minimum over an axis", "the minimum of {0} over the kept axis {i}"),
    "reduce_prod_keep": ("product over an axis", "the product of {0} over the kept axis {i}"),
    "reduce_var_keep": ("variance over an axis", "the variance of {0} over the kept axis {i}"),
    "reduce_argmax": ("argmax over an axis", "the argmax of {0} over axis {i}"),
    "cumsum": ("running sum", "the running sum of {0} along axis {i}"),
    "outer": ("outer product", ""),
    "segment_sum": ("segment sum", "the sums of {0} over the {i} segments {1}"),
    "transpose": ("transpose", "{0} with its axes in the order {i}"),
    "broadcast": ("broadcast", "{0} broadcast to {i}"),
    "reshape": ("reshape", "{0} reshaped to {i}"),
    "expand_dims": ("new axis", "{0} with a new axis {i}"),
    "squeeze": ("dropped axis", "{0} without its axis {i}"),
    "slice": ("slice", "the slice (axis, start, stop) = {i} of {0}"),
    "flip": ("reversal", "{0} reversed along axis {i}"),
    "roll": ("roll", "{0} rolled by (axis, shift) = {i}"),
    "concat": ("concatenation", "the concatenation of {0} and {1} along axis {i}"),
    "tril": ("lower triangle", ""),
    "triu": ("upper triangle", ""),
    "take": ("row gather", "the rows of {0} at the indices {1}"),
    "one_hot": ("one-hot encoding", "the one-hot encoding of {0} in {i} classes"),
    "softmax": ("softmax", "the softmax of {0} along axis {i}"),
    "log_softmax": ("log-softmax", "the log-softmax of {0} along axis {i}"),
    "logsumexp": ("log-sum-exp", "the log-sum-exp of {0} over axis {i}"),
    "layernorm": ("layer norm", "the layer norm of {0} with scale {1} and offset {2}"),
    "rmsnorm": ("RMS norm", "the RMS norm of {0} with scale {1}"),
    "attention": ("attention", "the attention of queries {0} to keys {1} and values {2}"),
    "causal_attention": (
        "causal attention",
        "the causal attention of queries {0} to keys {1} and values {2}",
    ),
    "conv1d": ("convolution", "the 1-D convolution of {0} with filters {1}"),
    "cross_entropy": ("cross entropy", "the cross entropy of logits {0} and labels {1}"),
    "squared_error": ("mean squared error", ""),
    "local": ("local array", "a local array of zeros"),
    "put": ("local write", "{0} with one element replaced"),
    "get": ("local read", "an element of {0}"),
    "const": ("constant", ""),
    "load": ("load", ""),
    "store": ("store", ""),
    "atomic_add": ("atomic addition", "atomically add {0} to {1}"),
    "atomic_sub": ("atomic subtraction", "atomically subtract {0} from {1}"),
    "atomic_min": ("atomic minimum", "atomically take the minimum of {0} into {1}"),
    "atomic_max": ("atomic maximum", "atomically take the maximum of {0} into {1}"),
    "if": ("branch", ""),
    "for": ("loop", ""),
    "while": ("loop", ""),
    "call": ("call", ""),
    "launch": ("launch", ""),
    "zeros": ("buffer", ""),
    "copy": ("copy", ""),
}

_CLAUSES = frozenset({"bit_test", "is_odd"})
_CLAUSE_GROUPS = frozenset({"comparison", "logic"})
_PLAIN_NOUN = re.compile(r"[A-Z][a-z-]+( [a-z-]{2,})*")
"""Documentation that is a noun phrase: words only, no operands."""
_ARTICLES = ("A ", "An ", "The ", "Whether ")


def _documented(name: str, doc: str) -> str:
    """The noun that documentation is; LookupError where it is none."""
    words = doc.removesuffix(".")
    if not _PLAIN_NOUN.fullmatch(words) or words.startswith(_ARTICLES):
        raise LookupError(f"{name} has no words here: its documentation is no noun")
    return words[0].lower() + words[1:]


def _of(noun: str, arity: int) -> str:
    operands = [f"{{{place}}}" for place in range(arity)]
    if len(operands) < 2:
        return f"the {noun}{''.join([f' of {operand}' for operand in operands])}"
    return f"the {noun} of {', '.join(operands[:-1])} and {operands[-1]}"


@cache
def phrase(name: str) -> Phrase:
    """The words of any op, structural ones included. LookupError for one that has none."""
    row = OPS.get(name) or ARRAY_OPS.get(name)
    arity = 0 if row is None else row.arity
    noun, text = _WORDS.get(name, ("", ""))
    noun = noun or _documented(name, "" if row is None else row.doc)
    text = text or _of(noun, arity)
    group = OPS[name].group if name in OPS else ""
    if group in _CLAUSE_GROUPS or name in _CLAUSES:
        level = CLAUSE
    elif not arity:
        level = ATOM
    else:
        level = PREFIX if text.startswith(f"the {noun} of ") and arity == 1 else INFIX
    return Phrase(noun, text, level, "({" in text or "[{" in text)


@cache
def named(name: str) -> str:
    """The noun of an op, for lists."""
    return phrase(name).noun
