"""Running recorded StableHLO, by private modules of JAX and jaxlib.

It has no public route: `require_execution` says in one line what is missing.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backends.base import BackendError
from backends.jax.names import missing
from backends.jax.shared_context import new_context

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXECUTION_NAMES = (
    ("jax._src.interpreters.mlir", "make_ir_context"),
    ("jax._src.compiler", "get_compile_options"),
    ("jax._src.xla_bridge", "get_backend"),
    ("jaxlib._jax", "DeviceList"),
    ("jaxlib.mlir.ir", "Module.parse"),
    ("jaxlib.mlir.passmanager", "PassManager.parse"),
    ("jaxlib.mlir.dialects.stablehlo", "eval_module"),
    ("jaxlib.mlir._mlir_libs._stablehlo", "register_stablehlo_passes"),
)

LEGALIZE = "builtin.module(func.func(chlo-legalize-to-stablehlo))"
"""The interpreter has no CHLO."""

INTEGER_DIVISION = re.compile(r"stablehlo\.(?:divide|remainder) .*[<x]u?i\d+>")

EVALUATIONS_PER_CONTEXT = 200
"""An MLIR context keeps every constant and input it has seen; so it is replaced now and then."""

ELEMENTS = {
    "i1": "bool",
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"ui{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "bf16": "float32",
}
"""NumPy's types by MLIR's; bfloat16 travels as float32."""


@functools.cache
def require_execution() -> None:
    """`BackendError` if the installed version cannot run recorded text."""
    lacking = missing(*EXECUTION_NAMES)
    if lacking:
        raise BackendError(f"this version of JAX cannot run StableHLO text, it has no {lacking}")


@dataclass(slots=True)
class _Interpreter:
    """The MLIR context and passes in use, and how many texts went through."""

    context: Any = None
    passes: Any = None
    uses: int = 0


_interpreter = _Interpreter()


def _entered_interpreter() -> _Interpreter:
    if _interpreter.uses % EVALUATIONS_PER_CONTEXT == 0:
        passmanager: Any = importlib.import_module("jaxlib.mlir.passmanager")
        _registered_passes()
        _interpreter.passes = None
        _interpreter.context = new_context()
        with _interpreter.context:
            _interpreter.passes = passmanager.PassManager.parse(LEGALIZE)
    _interpreter.uses += 1
    return _interpreter


@functools.cache
def _registered_passes() -> None:
    native: Any = importlib.import_module("jaxlib.mlir._mlir_libs._stablehlo")
    native.register_stablehlo_passes()


def interpret(text: str, arguments: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The results of the `main` of a StableHLO module, by the interpreter in jaxlib.

    `arguments` are those that `main` takes; bfloat16 goes in and out as float32. Raises what MLIR
    raises for text that is not valid, `ValueError` for arguments that do not fit. An operation
    that the interpreter lacks ends the process.
    """
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    stablehlo: Any = importlib.import_module("jaxlib.mlir.dialects.stablehlo")
    entered = _entered_interpreter()
    with entered.context:
        module = ir.Module.parse(text)
        entered.passes.run(module.operation)
        main = main_of(module)
        given = [
            ir.DenseElementsAttr.get(
                array.view(np.uint16) if array.dtype == _bfloat16() else array,
                type=type_.element_type,
                shape=array.shape,
            )
            for type_, array in zip(main.type.inputs, _fitting(main, arguments), strict=True)
        ]
        _widen_results(ir, stablehlo, main)
        if "stablehlo.scatter" in text or INTEGER_DIVISION.search(text):
            _avoid_faults(ir, stablehlo, module)
        return [np.array(result) for result in stablehlo.eval_module(module, given)]


@dataclass(frozen=True, slots=True)
class Compiled:
    """An executable, and its arguments as the device takes them."""

    executable: Any
    arguments: list[Any]


def compile_text(text: str, arguments: Sequence[NDArray[Any]]) -> Compiled:
    """What `jax.jit` would make of a StableHLO module on the CPU; `arguments` as for `interpret`.

    Raises what MLIR or XLA raise for text that is not valid, `ValueError` for arguments that do not
    fit.
    """
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    jaxlib: Any = importlib.import_module("jaxlib._jax")
    compiler: Any = importlib.import_module("jax._src.compiler")
    client: Any = importlib.import_module("jax._src.xla_bridge").get_backend("cpu")
    device = client.local_devices()[0]
    options = compiler.get_compile_options(
        1, 1, device_assignment=np.array([[device.id]]), backend=client
    )
    with _entered_interpreter().context:
        module = ir.Module.parse(text)
        fitting = _fitting(main_of(module), arguments)
        executable = client.compile_and_load(module, jaxlib.DeviceList((device,)), options)
    return Compiled(executable, fitting)


def call(compiled: Compiled) -> list[NDArray[Any]]:
    """The results of a compiled module, bfloat16 as float32. 64-bit arguments need x64."""
    jax: Any = importlib.import_module("jax")
    device = compiled.executable.local_devices()[0]
    given = [jax.device_put(array, device) for array in compiled.arguments]
    parts = compiled.executable.execute_sharded(given).disassemble_into_single_device_arrays()
    results = [np.asarray(shards[0]) for shards in parts]
    return [
        result.astype(np.float32) if result.dtype == _bfloat16() else np.array(result)
        for result in results
    ]


def main_of(module: Any) -> Any:
    """The entry function of an MLIR module; `ValueError` if there is none."""
    for operation in module.body.operations:
        if operation.attributes["sym_name"].value == "main":
            return operation
    raise ValueError("the module has no function main")


def _fitting(main: Any, arguments: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The arguments in the types that `main` takes; `ValueError` if they are not those."""
    types = list(main.type.inputs)
    if len(types) != len(arguments):
        raise ValueError(f"main takes {len(types)} arguments, not {len(arguments)}")
    fitting: list[NDArray[Any]] = []
    for position, (type_, array) in enumerate(zip(types, arguments, strict=True)):
        element = str(type_.element_type)
        if ELEMENTS.get(element) != array.dtype.name or tuple(type_.shape) != array.shape:
            raise ValueError(f"argument {position} is {array.dtype}{array.shape}, not {type_}")
        made = np.ascontiguousarray(array).reshape(array.shape)
        fitting.append(made.astype(_bfloat16()) if element == "bf16" else made)
    return fitting


@functools.cache
def _bfloat16() -> Any:
    return np.dtype(importlib.import_module("ml_dtypes").bfloat16)


def _avoid_faults(ir: Any, stablehlo: Any, module: Any) -> None:
    """Keep two faults of the interpreter away from a module.

    It scatters into the operands themselves, which others may read later: they get copies. An
    integer division by zero ends the process, also in a lane that is masked: it divides by one.
    """
    found: list[Any] = []

    def collect(operation: Any) -> Any:
        if operation.name in ("stablehlo.scatter", "stablehlo.divide", "stablehlo.remainder"):
            found.append(operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(collect)
    for operation in found:
        with ir.InsertionPoint(operation), ir.Location.unknown():
            if operation.name == "stablehlo.scatter":
                for position in range(len(operation.results)):
                    updated = operation.operands[position]
                    copied = stablehlo.ReshapeOp(updated.type, updated)
                    operation.operands[position] = copied.result
            elif isinstance(operation.results[0].type.element_type, ir.IntegerType):
                operation.operands[1] = _without_zero(ir, stablehlo, operation.operands[1])


def _without_zero(ir: Any, stablehlo: Any, divisor: Any) -> Any:
    type_ = divisor.type
    none = ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(type_.element_type, 0))
    equal = stablehlo.ComparisonDirectionAttr.get("EQ")
    zeros = stablehlo.CompareOp(divisor, stablehlo.ConstantOp(none).result, equal)
    ones = stablehlo.ConvertOp(type_, zeros.result)
    return stablehlo.OrOp(divisor, ones.result).result


def _widen_results(ir: Any, stablehlo: Any, main: Any) -> None:
    """Let `main` return float32 where it returns bfloat16, which NumPy cannot read."""
    if not any(str(type_.element_type) == "bf16" for type_ in main.type.results):
        return
    *_, end = main.entry_block.operations
    results = list(main.type.results)
    with ir.InsertionPoint(end), ir.Location.unknown():
        for position, type_ in enumerate(results):
            if str(type_.element_type) == "bf16":
                results[position] = ir.RankedTensorType.get(type_.shape, ir.F32Type.get())
                wide = stablehlo.ConvertOp(results[position], end.operands[position])
                end.operands[position] = wide.result
    signature = ir.FunctionType.get(main.type.inputs, results)
    main.attributes["function_type"] = ir.TypeAttr.get(signature)
