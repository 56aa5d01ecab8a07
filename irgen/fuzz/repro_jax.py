"""The scene of a JAX repro: the source as rendered, under `jax.jit`, gradients by `jax.vjp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from backends import surface as s
from backends.jax.run import taken_parameters
from grammar.program import Unit
from grammar.types import Scalar, Type, scalar_of
from irgen.fuzz.literals import listed, number, shortest
from irgen.fuzz.scene import Fresh, Place, Request, Result, Scene, assign, call, dotted
from irgen.vectors import output_types

_CPU = call("jax.config.update", s.Literal('"jax_platforms"'), s.Literal('"cpu"'))
_X64 = call("jax.config.update", s.Literal('"jax_enable_x64"'), s.Literal("True"))


def scene(request: Request) -> Scene:
    """The statements that run a case with JAX. The entry is a kernel or a program."""
    case, rendered = request.case, request.rendered
    definitions: list[s.Stmt] = []
    settings = [s.Do(_CPU), *([s.Do(_X64)] if rendered.wide else [])]
    unit = case.program.entry
    taken = taken_parameters(unit)
    fresh = Fresh(rendered.python)
    params = [argument.name for argument in rendered.arguments]
    inputs: list[s.Stmt] = [
        assign(name, _value(unit.parameters[at].type, case.inputs[at]))
        for name, at in zip(params, taken, strict=True)
    ]
    run: list[s.Stmt] = []
    results: dict[Place, Result] = {}
    if request.outputs:
        name = fresh("result")
        arguments = [s.Name(param) for param in params]
        run.append(assign(name, _called(s.Name(rendered.entry), arguments, request.way)))
        kinds = output_types(unit)
        for at, type_ in enumerate(kinds):
            one = s.Name(name) if len(kinds) == 1 else _item(name, at)
            results["output", at] = Result(
                "output" if len(kinds) == 1 else f"output {at}", _numbers(one, type_)
            )
    if request.gradients:
        backward = _Backward(request, unit, rendered.entry, params, taken, fresh)
        definitions += backward.definitions()
        inputs += backward.cotangents
        run += backward.run()
        results |= backward.results()
    return Scene(tuple(settings), tuple(definitions), tuple(inputs), tuple(run), results)


def _called(function: s.Expr, arguments: Sequence[s.Expr], way: str) -> s.Expr:
    """A function called the way asked for."""
    given = tuple(arguments)
    if way == "eager":
        return s.Call(function, given)
    jitted = s.Call(dotted("jax.jit"), (function,))
    if way != "O0":
        return s.Call(jitted, given)
    options = call("dict", xla_backend_optimization_level=s.Literal("0"))
    lowered = s.Call(s.Attribute(jitted, "lower"), given)
    compiled = s.Call(s.Attribute(lowered, "compile"), (), (("compiler_options", options),))
    return s.Call(compiled, given)


class _Backward:
    """The gradients of an entry: `jax.vjp` over its float arguments, of its float results."""

    def __init__(
        self,
        request: Request,
        unit: Unit,
        entry: str,
        params: Sequence[str],
        taken: Sequence[int],
        fresh: Fresh,
    ) -> None:
        self.request = request
        self.unit = unit
        self.entry = entry
        self.params = list(params)
        self.places = [
            (at, name)
            for at, name in zip(taken, params, strict=True)
            if scalar_of(unit.parameters[at].type).kind == "float"
        ]
        self.outputs = output_types(unit)
        self.kept = [at for at, ct in enumerate(request.case.cotangents) if ct is not None]
        names = [
            fresh("cotangent" if len(self.kept) == 1 else f"cotangent_{at}") for at in self.kept
        ]
        self.names = names
        self.cotangents = [
            assign(name, _value(self.outputs[at], self._cotangent(at)))
            for name, at in zip(names, self.kept, strict=True)
        ]
        self.pullback = fresh("pullback")
        self.gradients = fresh("gradients")
        self.floats = fresh("of_floats")

    def _cotangent(self, at: int) -> NDArray[Any]:
        cotangent = self.request.case.cotangents[at]
        assert cotangent is not None
        return cotangent

    def _differentiated(self) -> s.Expr:
        """The entry as a function of its float arguments; the others stay what they are."""
        names = [name for _, name in self.places]
        if names == self.params:
            return s.Name(self.entry)
        called = s.Call(s.Name(self.entry), tuple([s.Name(name) for name in self.params]))
        return s.Lambda(tuple(names), called)

    def _selected(self) -> list[s.Stmt]:
        """The definition of the function whose results are those that have a cotangent."""
        names = tuple([s.Param(name) for _, name in self.places])
        called = s.Call(s.Name(self.entry), tuple([s.Name(name) for name in self.params]))
        every = s.Name("outputs")
        items = tuple([s.Subscript(every, (s.Literal(str(at)),)) for at in self.kept])
        body = (s.Assign(every, called), s.Return(items[0] if len(items) == 1 else s.Tuple(items)))
        return [s.FunctionDef(self.floats, names, body)]

    def definitions(self) -> list[s.Stmt]:
        """The function to compile."""
        all_kept = len(self.kept) == len(self.outputs)
        inner = [] if all_kept else self._selected()
        of = self._differentiated() if all_kept else s.Name(self.floats)
        given = tuple([s.Name(name) for _, name in self.places])
        cotangents: tuple[s.Expr, ...] = tuple([s.Name(name) for name in self.names])
        if self.request.way == "forward_mode":
            numbers = tuple([s.Literal(str(at)) for at in range(len(given))])
            jacobian = s.Call(dotted("jax.jacfwd"), (of, s.Tuple(numbers)))
            result: s.Expr = s.Call(jacobian, given)
            params = [s.Param(name) for name in self.params]
        else:
            seed = cotangents[0] if len(cotangents) == 1 else s.Tuple(cotangents)
            pulled = s.Call(dotted("jax.vjp"), (of, *given))
            result = s.Call(s.Subscript(pulled, (s.Literal("1"),)), (seed,))
            params = [s.Param(name) for name in (*self.params, *self.names)]
        return [s.FunctionDef(self.pullback, tuple(params), (*inner, s.Return(result)))]

    def run(self) -> list[s.Stmt]:
        """The call of it."""
        forward = self.request.way == "forward_mode"
        given = [s.Name(name) for name in (self.params if forward else [*self.params, *self.names])]
        found = _called(s.Name(self.pullback), given, self.request.way)
        return [assign(self.gradients, found)]

    def results(self) -> dict[Place, Result]:
        """The gradients, by parameter."""
        found: dict[Place, Result] = {}
        for number_, (at, name) in enumerate(self.places):
            type_ = self.unit.parameters[at].type
            value = _item(self.gradients, number_)
            if self.request.way == "forward_mode":
                value = self._contracted(number_)
            found["gradient", at] = Result(f"gradient of {name}", _numbers(value, type_))
        return found

    def _contracted(self, number_: int) -> s.Expr:
        """The cotangents times the derivatives by one argument."""
        single = len(self.kept) == 1
        total: s.Expr | None = None
        for at, name in enumerate(self.names):
            jacobian = self.gradients if single else _item(self.gradients, at)
            base = s.Name(jacobian) if isinstance(jacobian, str) else jacobian
            derivative = s.Subscript(base, (s.Literal(str(number_)),))
            cotangent = s.Name(name)
            axes = s.Attribute(cotangent, "ndim")
            term = call("np.tensordot", cotangent, derivative, axes)
            total = term if total is None else s.Binary("+", total, term)
        assert total is not None
        return total


def code_size(scene: Scene) -> s.Expr:
    """The length of the optimized text of all that the run of a scene compiles."""
    total: s.Expr | None = None
    for statement in scene.run:
        assert isinstance(statement, s.Assign)
        called = statement.value
        assert isinstance(called, s.Call)
        lowered = s.Call(s.Attribute(called.func, "lower"), called.args)
        text = s.Call(s.Attribute(s.Call(s.Attribute(lowered, "compile"), ()), "as_text"), ())
        length = call("len", text)
        total = length if total is None else s.Binary("+", total, length)
    assert total is not None
    return total


def _item(name: str, at: int) -> s.Expr:
    return s.Subscript(s.Name(name), (s.Literal(str(at)),))


def _value(type_: Type, array: NDArray[Any]) -> s.Expr:
    """A parameter or a cotangent."""
    scalar = scalar_of(type_)
    kind = dotted("bool" if scalar.kind == "bool" else f"jnp.{scalar.dtype}")
    if isinstance(type_, Scalar):
        maker = dotted("jnp.bool_") if scalar.kind == "bool" else kind
        return s.Call(maker, (number(shortest(array.ravel()[0], scalar)),))
    return call("jnp.array", listed(array, scalar), dtype=kind)


def _numbers(array: s.Expr, type_: Type) -> s.Expr:
    """A result as an array that NumPy can compare: bfloat16 as float32."""
    if scalar_of(type_).name == "bf16":
        return call("np.float32", array)
    return array
