"""Host code: the driver of a program over buffers, and the block that runs a file by itself."""

from __future__ import annotations

from collections.abc import Sequence

from backends import surface as s
from backends.style import Names, Style
from backends.warp.device import written
from backends.warp.roles import parameter_role, role
from backends.warp.spell import Spelling, number, wp
from grammar.program import Program, Region, Statement, Terminator, Unit, Value, walk
from grammar.types import Array, Element, Scalar, Type, element_shape, scalar_of

_TRUE = s.Literal("True")


def driver(
    program: Program,
    number: int,
    unit_names: Sequence[str],
    names: Names,
    spelling: Spelling,
    style: Style,
) -> s.FunctionDef:
    """The function that runs a program unit: it allocates, launches and returns arrays.

    Raises:
        ValueError: the unit holds an op on whole arrays, which a pass turns into kernels first.
    """
    return _Driver(program, number, unit_names, names, spelling, style).definition()


class _Driver:
    def __init__(
        self,
        program: Program,
        number: int,
        unit_names: Sequence[str],
        names: Names,
        spelling: Spelling,
        style: Style,
    ) -> None:
        self.program = program
        self.unit = program.units[number]
        self.name = unit_names[number]
        self.unit_names = unit_names
        self.names = names
        self.spelling = spelling
        self.style = style
        self.site = number << 20
        self.bound: dict[int, s.Expr] = {}

    def choose(self, kind: int, value: int, n: int) -> int:
        return self.style.choose(self.site + 8 * value + kind, n)

    def definition(self) -> s.FunctionDef:
        params: list[s.Param] = []
        for value in self.unit.parameters:
            name = self.names.fresh(parameter_role(value.type, is_written=False))
            self.bound[value.id] = s.Name(name)
            params.append(s.Param(name))
        body = self.block(self.unit.body, ())
        return s.FunctionDef(self.name, tuple(params), tuple(body) or (s.Pass(),))

    def block(self, region: Region, targets: Sequence[s.Name]) -> list[s.Stmt]:
        out: list[s.Stmt] = []
        for statement in region.body:
            self.statement(statement, out)
        self.end(region.end, targets, out)
        return out

    def end(self, end: Terminator, targets: Sequence[s.Name], out: list[s.Stmt]) -> None:
        values = [self.bound[value.id] for value in end.values]
        if end.kind == "return":
            if values:
                out.append(s.Return(values[0] if len(values) == 1 else s.Tuple(tuple(values))))
        else:
            self.assign(targets, values, out)

    def assign(
        self, targets: Sequence[s.Name], values: Sequence[s.Expr], out: list[s.Stmt]
    ) -> None:
        pairs = [pair for pair in zip(targets, values, strict=True) if pair[0] != pair[1]]
        if len(pairs) == 1:
            out.append(s.Assign(*pairs[0]))
        elif pairs:
            left, right = zip(*pairs, strict=True)
            out.append(s.Assign(s.Tuple(left), s.Tuple(right)))

    def fresh(self, value: Value) -> s.Name:
        kind = "output" if isinstance(value.type, Array) else role(value.type)
        name = s.Name(self.names.fresh(kind))
        self.bound[value.id] = name
        return name

    def statement(self, statement: Statement, out: list[s.Stmt]) -> None:
        match statement.op:
            case "const":
                assert isinstance(statement.attribute, bool | int | float)
                self.bound[statement.results[0].id] = number(statement.attribute)
            case "zeros":
                (value,) = statement.results
                assert isinstance(value.type, Array)
                out.append(s.Assign(self.fresh(value), zeros(value.type, self.spelling)))
            case "copy":
                self.copy(statement, out)
            case "launch":
                assert isinstance(statement.attribute, int)
                kernel = self.program.units[statement.attribute]
                arguments = [self.bound[value.id] for value in statement.operands]
                out.append(launch(kernel, self.unit_names[statement.attribute], arguments))
            case "for":
                self.for_(statement, out)
            case op:
                raise ValueError(f"{op} in a program over buffers has no Warp source")

    def copy(self, statement: Statement, out: list[s.Stmt]) -> None:
        (source,), (value,) = statement.operands, statement.results
        name = self.fresh(value)
        if self.choose(0, value.id, 3) == 2:
            out.append(s.Assign(name, s.Call(wp("empty_like"), (self.bound[source.id],))))
            out.append(s.Do(s.Call(wp("copy"), (name, self.bound[source.id]))))
        else:
            out.append(s.Assign(name, s.Call(wp("clone"), (self.bound[source.id],))))

    def for_(self, statement: Statement, out: list[s.Stmt]) -> None:
        (region,) = statement.regions
        values = [self.bound[value.id] for value in statement.operands]
        start, stop, *inits = values
        targets = [self.fresh(value) for value in statement.results]
        self.assign(targets, inits, out)
        index = s.Name(self.names.fresh("loop"))
        for value, name in zip(region.params, (index, *targets), strict=True):
            self.bound[value.id] = name
        assert isinstance(statement.attribute, tuple)
        step = statement.attribute[0]
        arguments: tuple[s.Expr, ...] = (start, stop)
        if step != 1:
            arguments = (start, stop, s.Literal(str(step)))
        elif start == s.Literal("0"):
            arguments = (stop,)
        body = self.block(region, targets)
        iterable = s.Call(s.Name("range"), arguments)
        out.append(s.For(index, iterable, tuple(body) or (s.Pass(),)))


def zeros(type_: Array, spelling: Spelling) -> s.Expr:
    """A new array; one of floats takes part in differentiation."""
    keywords: list[tuple[str, s.Expr]] = [("dtype", spelling.type(type_.element))]
    if scalar_of(type_).kind == "float":
        keywords.append(("requires_grad", _TRUE))
    return s.Call(wp("zeros"), (_extents(type_.shape),), tuple(keywords))


def launch(kernel: Unit, name: str, arguments: Sequence[s.Expr]) -> s.Stmt:
    """A launch over the kernel's grid; the arrays it writes are outputs where they come last."""
    changed = written(kernel)
    split = len(arguments)
    while split and kernel.parameters[split - 1].id in changed:
        split -= 1
    if any(value.id in changed for value in kernel.parameters[:split]):
        split = len(arguments)
    keywords: list[tuple[str, s.Expr]] = [("dim", _extents(kernel.grid))]
    keywords.append(("inputs", s.List(tuple(arguments[:split]))))
    if split < len(arguments):
        keywords.append(("outputs", s.List(tuple(arguments[split:]))))
    return s.Do(s.Call(wp("launch"), (s.Name(name),), tuple(keywords)))


def _extents(shape: tuple[int, ...]) -> s.Expr:
    sizes = tuple([s.Literal(str(extent)) for extent in shape])
    return sizes[0] if len(sizes) == 1 else s.Tuple(sizes)


def self_test(
    program: Program,
    entry: s.FunctionDef,
    unit_names: Sequence[str],
    names: Names,
    spelling: Spelling,
) -> list[s.Stmt]:
    """The block that makes small inputs, runs the entry on them and prints what it gives.

    Floats go from -1 to 1, integers from 0 to 3. A function is called by a kernel of its own.
    """
    unit = program.entry
    before: list[s.Stmt] = []
    body: list[s.Stmt] = []
    shown: list[s.Expr] = []
    scope = names.scope()
    if unit.kind == "function":
        wrapper = names.fresh("kernel")
        before.append(_caller(unit, wrapper, entry, scope, spelling))
        arguments = [_scalar(value.type, spelling) for value in unit.parameters]
        for type_ in unit.results:
            assert not isinstance(type_, Array)
            name = s.Name(scope.fresh("output"))
            body.append(s.Assign(name, zeros(Array(type_, (1,)), spelling)))
            shown.append(name)
        keywords: tuple[tuple[str, s.Expr], ...] = (
            ("dim", s.Literal("1")),
            ("inputs", s.List(tuple(arguments))),
            ("outputs", s.List(tuple(shown))),
        )
        body.append(s.Do(s.Call(wp("launch"), (s.Name(wrapper),), keywords)))
    else:
        changed, contents = written(unit), filled(unit)
        arguments = []
        for param, value in zip(entry.params, unit.parameters, strict=True):
            if not isinstance(value.type, Array):
                arguments.append(_scalar(value.type, spelling))
                continue
            name = s.Name(param.name)
            full = value.id in contents
            made = _array(value.type, spelling) if full else zeros(value.type, spelling)
            body.append(s.Assign(name, made))
            arguments.append(name)
            if value.id in changed:
                shown.append(name)
        if unit.kind == "kernel":
            body.append(launch(unit, unit_names[-1], arguments))
        else:
            shown = [s.Name(scope.fresh("output")) for _ in unit.results]
            target = shown[0] if len(shown) == 1 else s.Tuple(tuple(shown))
            call = s.Call(s.Name(entry.name), tuple(arguments))
            body.append(s.Assign(target, call) if shown else s.Do(call))
    body += [
        s.Do(s.Call(s.Name("print"), (s.Call(s.Attribute(name, "numpy"), ()),))) for name in shown
    ]
    test = s.Binary("==", s.Name("__name__"), s.Literal('"__main__"'))
    return [*before, s.If(test, tuple(body) or (s.Pass(),))]


def _caller(
    unit: Unit, name: str, entry: s.FunctionDef, names: Names, spelling: Spelling
) -> s.FunctionDef:
    """A kernel that stores the results of a function."""
    index = s.Name(names.fresh("index"))
    params = [s.Param(names.fresh(role(v.type)), spelling.type(v.type)) for v in unit.parameters]
    outputs = [
        s.Param(names.fresh("output"), spelling.type(Array(type_, (1,))))
        for type_ in unit.results
        if not isinstance(type_, Array)
    ]
    call = s.Call(s.Name(entry.name), tuple([s.Name(param.name) for param in params]))
    cells = [s.Subscript(s.Name(param.name), (index,)) for param in outputs]
    body: list[s.Stmt] = [s.Assign(index, s.Call(wp("tid"), ()))]
    if len(cells) == 1:
        body.append(s.Assign(cells[0], call))
    else:
        held = [s.Name(names.fresh(role(type_))) for type_ in unit.results]
        body.append(s.Assign(s.Tuple(tuple(held)), call))
        body += [s.Assign(cell, value) for cell, value in zip(cells, held, strict=True)]
    return s.FunctionDef(name, (*params, *outputs), tuple(body), (wp("kernel"),))


def filled(unit: Unit) -> set[int]:
    """The ids of the array parameters that need contents: all but those a kernel only writes."""
    arrays = {value.id for value in unit.parameters if isinstance(value.type, Array)}
    if unit.kind != "kernel":
        return arrays
    return arrays - (
        written(unit) - {st.operands[0].id for st in walk(unit.body) if st.op == "load"}
    )


def _np(name: str, *arguments: s.Expr) -> s.Expr:
    return s.Call(s.Attribute(s.Name("np"), name), arguments)


def _array(type_: Array, spelling: Spelling) -> s.Expr:
    shape = (*type_.shape, *element_shape(type_.element))
    size = 1
    for extent in shape:
        size *= extent
    count = s.Literal(str(size))
    scalar = scalar_of(type_)
    flat: s.Expr
    if scalar.kind == "float":
        flat = _np("linspace", number(-1.0), number(1.0), count)
    elif scalar.kind == "bool":
        flat = s.Binary("==", s.Binary("%", _np("arange", count), number(2)), number(0))
    else:
        flat = s.Binary("%", _np("arange", count), number(4))
    if len(shape) > 1:
        flat = s.Call(s.Attribute(flat, "reshape"), tuple([number(extent) for extent in shape]))
    keywords: tuple[tuple[str, s.Expr], ...] = (("dtype", spelling.type(type_.element)),)
    return s.Call(wp("array"), (flat,), keywords)


def _scalar(type_: Type, spelling: Spelling) -> s.Expr:
    assert not isinstance(type_, Array)
    return _element(type_, spelling)


def _element(type_: Element, spelling: Spelling) -> s.Expr:
    match type_:
        case Scalar(kind="float"):
            return number(0.5)
        case Scalar(kind="bool"):
            return number(True)
        case Scalar():
            return number(2)
        case _:
            size = 1
            for extent in element_shape(type_):
                size *= extent
            parts = tuple([number((k + 1) / 8) for k in range(size)])
            return s.Call(spelling.type(type_), parts)
