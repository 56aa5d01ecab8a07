"""How different programs are: distinct hashes, sizes, and the entropy of what follows what."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from grammar.generate import draw_program
from grammar.passes.canonical import exact_hash, structure_hash
from grammar.presets import GRAMMARS
from grammar.program import Program, Region, size
from grammar.source import RandomSource
from tests.bench.report import Table
from tests.quality.pool import over

CHUNK = 500
MARKS = (1000, 3000, 10000)
"""Numbers of programs at which distinct ones are counted."""

EXACT_TARGETS = {"compound": 0.99}
STRUCTURE_TARGETS = {
    "compound": 0.98,
    "branch": 0.95,
    "loop": 0.95,
    "nested_branch": 0.95,
    "multi_statement": 0.95,
}
MEDIAN_TARGETS: dict[str, int] = dict.fromkeys(
    ("branch", "loop", "nested_branch", "multi_statement"), 15
)


@dataclass(slots=True)
class Sample:
    """Hashes and sizes in order of index, and counts of op pairs and of nesting."""

    exact: list[str] = field(default_factory=list)
    structure: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    trees: Counter[str] = field(default_factory=Counter)

    def add(self, program: Program) -> None:
        self.exact.append(exact_hash(program))
        self.structure.append(structure_hash(program))
        self.sizes.append(size(program))
        shapes: list[str] = []
        for unit in program.units:
            makers = dict.fromkeys((value.id for value in unit.body.params), "parameter")
            shapes.append(self._region(unit.body, makers, unit.kind))
        self.trees[" ".join(shapes)] += 1

    def _region(self, region: Region, makers: dict[int, str], path: str) -> str:
        """Count a region's pairs and paths; its control constructs as a tree, such as
        `for(if(,break))`."""
        shape: list[str] = []
        for statement in region.body:
            self.paths[path] += statement.op != "const"
            for operand in statement.operands:
                self.pairs[statement.op, makers[operand.id]] += 1
            for inner in statement.regions:
                for value in inner.params:
                    makers[value.id] = f"{statement.op}.parameter"
            if statement.regions:
                inside = [
                    self._region(inner, makers, f"{path}/{statement.op}{number}")
                    for number, inner in enumerate(statement.regions)
                ]
                shape.append(f"{statement.op}({','.join(inside)})")
            for value in statement.results:
                makers[value.id] = statement.op
        if region.end.kind != "yield":
            shape.append(region.end.kind)
        return " ".join(shape)

    def join(self, other: Sample) -> None:
        self.exact += other.exact
        self.structure += other.structure
        self.sizes += other.sizes
        self.pairs += other.pairs
        self.paths += other.paths
        self.trees += other.trees


def entropy(counts: Counter[str] | Counter[tuple[str, str]]) -> float:
    """Shannon entropy of the distribution, in bits."""
    total = sum(counts.values())
    return sum(n / total * math.log2(total / n) for n in sorted(counts.values()))


def collect(job: tuple[str, int, int]) -> Sample:
    """The programs of a preset from one index to another."""
    preset, start, stop = job
    sample = Sample()
    for index in range(start, stop):
        sample.add(draw_program(RandomSource(0, index), GRAMMARS[preset]))
    return sample


def samples(presets: list[str], count: int, workers: int) -> dict[str, Sample]:
    """A sample of `count` programs of each preset; the same whatever the number of workers."""
    jobs = [
        (preset, start, min(count, start + CHUNK))
        for preset in presets
        for start in range(0, count, CHUNK)
    ]
    found = {preset: Sample() for preset in presets}
    for (preset, _, _), part in zip(jobs, over(collect, jobs, workers), strict=True):
        found[preset].join(part)
    return found


def campaign(presets: list[str], count: int, workers: int) -> Iterator[Table]:
    """Distinct programs with saturation, and sizes and entropies beside them."""
    found = samples(presets, count, workers)
    marks = [mark for mark in MARKS if mark < count] + [count]
    rows: list[tuple[str | int | float, ...]] = []
    failures: list[str] = []
    for preset, sample in found.items():
        exact, structure = len(set(sample.exact)), len(set(sample.structure))
        grown = [len(set(sample.structure[:mark])) for mark in marks]
        rows.append((preset, exact / count, structure / count, exact, *grown))
        failures += _missed(preset, exact / count, structure / count, sample.sizes)
    names = [f"structures of {mark:,}" for mark in marks]
    columns = ("preset", "exact", "structure", "exact programs", *names)
    title = f"Distinct programs among {count:,}, by share and by number"
    notes = ("structure: constants, extents and trip counts abstracted",)
    yield Table(title, columns, tuple(rows), notes, tuple(failures))
    yield _texture(found)


def _missed(preset: str, exact: float, structure: float, sizes: list[int]) -> Iterator[str]:
    if exact < EXACT_TARGETS.get(preset, 0):
        yield f"{preset}: {exact:.4f} distinct, target {EXACT_TARGETS[preset]}"
    if structure < STRUCTURE_TARGETS.get(preset, 0):
        yield f"{preset}: {structure:.4f} distinct structures, target {STRUCTURE_TARGETS[preset]}"
    median = statistics.median(sizes)
    if median > MEDIAN_TARGETS.get(preset, math.inf):
        yield f"{preset}: median of {median} statements, at most {MEDIAN_TARGETS[preset]}"


def _texture(found: dict[str, Sample]) -> Table:
    rows = tuple(
        (
            preset,
            float(statistics.median(sample.sizes)),
            sorted(sample.sizes)[math.ceil(0.9 * len(sample.sizes)) - 1],
            max(sample.sizes),
            entropy(sample.pairs),
            len(sample.pairs),
            entropy(sample.paths),
            entropy(sample.trees),
            len(sample.trees),
        )
        for preset, sample in found.items()
    )
    columns = ("preset", "median", "p90", "most", "op-pair bits", "op pairs", "nesting bits")
    notes = (
        "sizes in statements without constants; op pair: an op and the op an operand comes from;",
        "nesting: the path of regions a statement stands in; shape: a program's control flow, as",
        "a tree",
    )
    columns = (*columns, "shape bits", "shapes")
    return Table("Sizes and entropies", columns, rows, notes)
