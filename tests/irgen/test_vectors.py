"""Test vectors follow from the program alone, lie in the assumed ranges, and survive as text."""

from __future__ import annotations

import numpy as np
import pytest

from grammar.guards import inputs as input_range
from grammar.presets import GRAMMARS
from grammar.program import Program, Region, Terminator, Unit, Value
from grammar.types import BF16, BOOL, F16, F32, F64, I32, U8, Array, Scalar, Type, Vector, scalar_of
from irgen import vectors
from irgen.service import draw

SCALARS = (F64, F32, F16, BF16, I32, U8, BOOL)


def program_of(*types: Type) -> Program:
    """A program that returns its parameters."""
    params = tuple([Value(at, type_) for at, type_ in enumerate(types)])
    unit = Unit("program", Region(params, (), Terminator("yield", params)), tuple(types))
    return Program((unit,))


@pytest.mark.parametrize("name", GRAMMARS)
def test_inputs_lie_where_programs_expect_them(name: str) -> None:
    for index in range(5):
        program = draw(GRAMMARS[name], 2, index).program
        inputs, cotangents = vectors.make(program)
        for array, value in zip(inputs, program.entry.parameters, strict=True):
            scalar = scalar_of(value.type)
            low, high = input_range(scalar)[:2]
            if scalar.kind == "float":
                low, high = -(2**high), 2**high
            assert array.min() >= low
            assert array.max() <= high
        outputs = vectors.output_types(program.entry)
        floats = [scalar_of(type_).kind == "float" for type_ in outputs]
        assert [cotangent is not None for cotangent in cotangents] == floats


def test_inputs_follow_from_the_program() -> None:
    first = draw(GRAMMARS["compound"], 2, 0).program
    other = draw(GRAMMARS["compound"], 2, 1).program
    again, _ = vectors.make(first)
    for one, two in zip(vectors.make(first)[0], again, strict=True):
        assert one.tobytes() == two.tobytes()
    assert vectors.make(first)[0][0].tobytes() != vectors.make(other)[0][0].tobytes()


def test_the_bytes_of_a_known_program_never_change() -> None:
    (array,), (cotangent,) = vectors.make(program_of(Array(F32, (3,))))
    assert cotangent is not None
    assert [vectors.encode(array, F32).data, vectors.encode(cotangent, F32).data] == KNOWN


KNOWN = ["wGmAPmC6dr9AbB8/", "NL/2vxC7Ir5oEIO/"]


def test_degenerate_values_are_among_the_inputs() -> None:
    (array,), _ = vectors.make(program_of(Array(F32, (4000,))))
    for value in (1.0, -1.0):
        assert (array == value).any()
    zeros = array[array == 0]
    assert np.signbit(zeros).any()
    assert not np.signbit(zeros).all()
    ordinary = array[~np.isin(array, (0.0, 1.0, -1.0))]
    assert len(np.unique(ordinary)) < len(ordinary), "some elements are equal"
    assert len(np.unique(array)) > 0.9 * len(array)


@pytest.mark.parametrize("scalar", SCALARS, ids=str)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_text_keeps_every_bit(scalar: Scalar, shape: tuple[int, ...]) -> None:
    type_ = Array(scalar, shape) if shape else scalar
    (array,), _ = vectors.make(program_of(type_))
    text = vectors.encode(array, scalar)
    assert text.dtype == scalar.dtype
    again = vectors.decode(text)
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.tobytes() == array.tobytes()


def test_text_keeps_signs_of_zero_and_what_is_no_number() -> None:
    array = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45], np.float32)
    assert vectors.decode(vectors.encode(array, F32)).tobytes() == array.tobytes()


def test_vector_elements_have_trailing_axes() -> None:
    (array,), _ = vectors.make(program_of(Array(Vector(F32, 3), (4,))))
    assert array.shape == (4, 3)


def test_altered_text_is_refused() -> None:
    text = vectors.encode(np.zeros(3, np.float32), F32)
    for wrong in (
        vectors.Vector(text.dtype, [4], text.data),
        vectors.Vector(text.dtype, text.shape, text.data[:-5]),
        vectors.Vector(text.dtype, text.shape, "!!"),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            vectors.decode(wrong)
