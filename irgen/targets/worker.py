"""Runs programs in the interpreter of a target: source text and arrays in, arrays and statuses out.

    python -I worker.py warp|jax [PARENT]

This file stands alone: Python 3.9 or newer, NumPy, and one release of Warp or JAX, of which it uses
what is public. It reads requests from standard input and writes replies to its standard output;
whatever a library or a source prints goes to standard error. It ends when its input does, or with
the process of id PARENT. The protocol is in `docs/targets-protocol.md`.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.metadata
import importlib.util
import linecache
import os
import platform
import re
import resource
import shutil
import signal
import stat
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from json import dumps, loads
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PROTOCOL = 1
HEAD = struct.Struct("<4sIQ")
MAGIC = b"IRG1"
"""A frame is this head (magic, bytes of header, bytes of arrays), a JSON object, and raw arrays."""

Header = dict[str, Any]
Arrays = list[Any]

DISTRIBUTIONS = {"warp": ("warp-lang",), "jax": ("jax", "jaxlib")}
COLLECT_EVERY = 50
COLLECT_BYTES = 256 << 20
"""Garbage is collected, and JAX forgets what it compiled, after so many requests, or when memory
has grown so much."""

LARGEST_FILE = 1 << 28
"""Bytes: no source may fill the disk with what it prints."""

TANGENTS = 1 << 22
"""So many numbers of tangents are computed in one call, in forward mode."""

DETAIL_LINES = 3
DETAIL_LIMIT = 300
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
SCRATCH = re.compile(r"[^\s\"']*irgen_source_\d+")
METADATA = re.compile(r', metadata=\{(?:[^{}"]|"(?:[^"\\]|\\.)*"|\{[^{}]*\})*\}')
SOURCE_TABLES = re.compile(
    r"(?:\n(?:FileNames|FunctionNames|FileLocations|StackFrames)\n(?:\d+ .*\n)*)+\n"
)
CLANG_ERROR = re.compile(r"\berror: .*")


class BrokenFrameError(Exception):
    """The bytes are no frame of this protocol."""


class Failure(Exception):
    """A direction did not run: `reason` is a key of irgen's table of reasons."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Ran(NamedTuple):
    """One way to run a program: outputs, gradients by parameter, and why there are none."""

    outputs: Arrays | None = None
    gradients: Arrays | None = None
    failure: Failure = Failure("")
    gradient_failure: Failure = Failure("")
    compile_seconds: float | None = None
    code_bytes: int | None = None


# Frames.


def pack(header: Header, arrays: Sequence[Any] = ()) -> bytes:
    """A frame. Arrays are written in C order, little-endian; the header gains their table."""
    table: list[Header] = []
    parts: list[bytes] = []
    for array in arrays:
        kind = array.dtype.newbyteorder("<")
        table.append({"dtype": array.dtype.name, "shape": list(array.shape)})
        parts.append(np.ascontiguousarray(array, kind).tobytes())
    text = dumps({**header, "arrays": table}).encode()
    body = b"".join(parts)
    return HEAD.pack(MAGIC, len(text), len(body)) + text + body


def sizes(head: bytes) -> tuple[int, int]:
    """The bytes of header and arrays that follow a head; BrokenFrameError if it is none."""
    magic, text, body = HEAD.unpack(head)
    if magic != MAGIC:
        raise BrokenFrameError(f"a frame starts with {MAGIC!r}, not with {magic!r}")
    return text, body


def unpack(text: bytes, body: bytes) -> tuple[Header, Arrays]:
    """The header and arrays of a frame; BrokenFrameError where they do not fit each other."""
    header = loads(text)
    arrays: Arrays = []
    start = 0
    for entry in header.pop("arrays"):
        kind = np.dtype(entry["dtype"])
        count = prod(entry["shape"])
        end = start + count * kind.itemsize
        if end > len(body):
            raise BrokenFrameError(f"{len(body)} bytes are too few for its arrays")
        flat = np.frombuffer(body, kind.newbyteorder("<"), count, start)
        arrays.append(flat.astype(kind).reshape(entry["shape"]))
        start = end
    if start != len(body):
        raise BrokenFrameError(f"{len(body) - start} bytes too many for its arrays")
    return header, arrays


def read_frame(stream: BufferedReader) -> tuple[Header, Arrays] | None:
    """The next frame of a stream, None at its end."""
    head = stream.read(HEAD.size)
    if not head:
        return None
    text, body = sizes(head)
    return unpack(stream.read(text), stream.read(body))


# What backends share.


def one_line(error: BaseException) -> str:
    """Type and first lines of a message, without addresses and the names of scratch files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join([f"{type(error).__name__}:", *lines[:DETAIL_LINES]])
    return SCRATCH.sub("source", ADDRESS.sub("", text)).rstrip(":")[:DETAIL_LIMIT]


@contextmanager
def failing(reason: str) -> Generator[None, None, None]:
    """Name the reason of whatever is raised inside."""
    try:
        yield
    except Failure:
        raise
    except MemoryError as error:
        raise Failure("out_of_memory", one_line(error)) from error
    # A source, and a library on what it is given, may raise anything; it becomes the detail.
    except (Exception, SystemExit) as error:
        raise Failure(reason, one_line(error)) from error


def rows(*columns: Sequence[Any]) -> list[Any]:
    """The rows of columns that are equally long; ValueError where they are not."""
    count, *others = [len(column) for column in columns]
    if any(other != count for other in others):
        raise ValueError(f"columns of {count} and {others} entries")
    return [tuple(column[at] for column in columns) for at in range(count)]


def listed(returned: Any) -> list[Any]:
    """The results of a function that may return one or several."""
    several: Any = returned if type(returned) in (tuple, list) else [returned]
    return list(several)


def numbers(value: Any, dtype: str) -> Any:
    """The array that a parameter or a result of this dtype travels as: bfloat16 as float32."""
    return np.asarray(value).astype("float32" if dtype == "bfloat16" else dtype)


def checked(shape: Sequence[int], result: Header, at: int) -> None:
    """Failure where a result has another shape than the program says."""
    if list(shape) != result["shape"]:
        detail = f"result {at} has shape {list(shape)}, not {result['shape']}"
        raise Failure("execution_error", detail)


# Warp.


class Warp:
    """One release of Warp on the CPU. Each source is a file of its own, imported as users do."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="irgen_warp_"))
        self.count = 0
        wp: Any = importlib.import_module("warp")
        self.wp = wp
        wp.config.kernel_cache_dir = str(self.folder / "cache")
        # Releases differ in what tells them to be quiet.
        if hasattr(wp, "LOG_ERROR"):
            wp.config.log_level = wp.LOG_ERROR
        else:
            wp.config.quiet = True
        wp.init()
        self.cache = Path(wp.config.kernel_cache_dir)  # Warp may have appended its version
        # The level only reaches the CPU since the release that also gave it flags of its own.
        levelled = hasattr(wp.config, "cpu_compiler_flags")
        self.ways: dict[str, Header] = {
            "default": {},
            "again": {},
            "O0": {"optimization_level": 0} if levelled else {"mode": "debug"},
            "O2": {"optimization_level": 2} if levelled else {"mode": "release"},
        }
        """Each way, and what it sets in `warp.config`."""

    def collect(self) -> None:
        """Free what earlier requests left."""
        gc.collect()

    def run(self, request: Header, arrays: Arrays, ways: Sequence[str]) -> list[Ran]:
        """Run a program in each of the ways; "again" runs what was compiled for "default"."""
        built: dict[str, Any] = {}
        done: list[Ran] = []
        for way in ways:
            with self._configured(self.ways[way]):
                found = built.get("default" if way == "again" else way)
                if found is None:
                    try:
                        found = self._build(request)
                    except Failure as failure:
                        found = failure
                    built["default" if way == "again" else way] = found
                if isinstance(found, Failure):
                    done.append(Ran(failure=found, gradient_failure=found))
                else:
                    entry, seconds, size = found
                    ran = self._run(entry, request, arrays)
                    done.append(ran._replace(compile_seconds=seconds, code_bytes=size))
        return done

    @contextmanager
    def _configured(self, settings: Header) -> Generator[None, None, None]:
        config = self.wp.config
        before = {name: getattr(config, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(config, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(config, name, value)

    def _build(self, request: Header) -> tuple[Any, float, int]:
        """The entry of a source, the seconds of processor time it took to compile, and the bytes
        of C++ that its kernels became."""
        wp = self.wp
        self.count += 1
        name = f"irgen_source_{self.count:08d}"
        path = self.folder / f"{name}.py"
        path.write_text(request["source"])
        for stale in self.cache.glob("*"):
            shutil.rmtree(stale, ignore_errors=True)
        try:
            spec: Any = importlib.util.spec_from_file_location(name, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            with failing("source_error"):
                spec.loader.exec_module(module)
                entry = getattr(module, request["entry"])
            started = time.process_time()
            with failing("compile_error"):
                if any(isinstance(value, wp.Kernel) for value in vars(module).values()):
                    self._load(name)
            seconds = time.process_time() - started
        finally:
            sys.modules.pop(name, None)
            linecache.cache.pop(str(path), None)
            path.unlink()
        return entry, seconds, sum(made.stat().st_size for made in self.cache.rglob("*.cpp"))

    def _load(self, name: str) -> None:
        """Compile the kernels of a module; what Clang says of an error is part of the error."""
        before = said()
        try:
            self.wp.load_module(name, device="cpu")
        except Exception as error:
            found = CLANG_ERROR.search(said()[len(before) :])
            if found:
                raise RuntimeError(f"{one_line(error)}: {found.group()}") from error
            raise

    def _run(self, entry: Any, request: Header, arrays: Arrays) -> Ran:
        wp = self.wp
        parameters = request["parameters"]
        try:
            with failing("execution_error"), wp.ScopedDevice("cpu"):
                inputs = [arrays[at] for at in request["inputs"]]
                memory = [stored(value, p["dtype"]) for value, p in rows(inputs, parameters)]
                given = [self._given(value, p) for value, p in rows(memory, parameters)]
                tape = wp.Tape()
                with tape:
                    if request["unit"] == "kernel":
                        wp.launch(entry, dim=tuple(request["grid"]), inputs=given)
                        results = [given[at] for at in request["writes"]]
                    else:
                        results = listed(entry(*given))
                outputs = self._outputs(results, request["results"])
        except Failure as failure:
            return Ran(failure=failure, gradient_failure=failure)
        if not request["backward"]:
            return Ran(outputs)
        try:
            with failing("execution_error"), wp.ScopedDevice("cpu"):
                seeds = rows(results, request["results"], request["cotangents"])
                for result, kind, at in seeds:
                    if at is not None:
                        seed(view(result.grad, kind), arrays[at], kind["dtype"])
                tape.backward()
                gradients: Arrays = [None] * len(given)
                for at in request["differentiates"]:
                    kind = parameters[at]
                    gradients[at] = shown(view(given[at].grad, kind), kind["dtype"])
        except Failure as failure:
            return Ran(outputs, gradient_failure=failure)
        return Ran(outputs, gradients)

    def _given(self, memory: Any, parameter: Header) -> Any:
        """A parameter: a value, or an array over the memory given."""
        wp = self.wp
        dtype = getattr(wp, parameter["dtype"])
        element = parameter["element"]
        if len(element) == 1:
            dtype = wp.types.vector(element[0], dtype)
        elif element:
            dtype = wp.types.matrix(tuple(element), dtype)
        if not parameter["array"]:
            value = shown(memory, parameter["dtype"])
            return dtype(*value.ravel().tolist()) if element else value.item()
        shape = tuple(parameter["shape"][: len(parameter["shape"]) - len(element)])
        array = wp.array(ptr=memory.ctypes.data, shape=shape, dtype=dtype, device="cpu")
        array.requires_grad = "float" in parameter["dtype"]
        return array

    def _outputs(self, results: Sequence[Any], described: Sequence[Header]) -> Arrays:
        if len(results) != len(described):
            detail = f"it gives {len(results)} results, not {len(described)}"
            raise Failure("execution_error", detail)
        for at, (result, kind) in enumerate(rows(results, described)):
            checked([*result.shape, *getattr(result.dtype, "_shape_", ())], kind, at)
        return [shown(view(r, kind), kind["dtype"]) for r, kind in rows(results, described)]


def storage(dtype: str) -> Any:
    """The type of numbers in memory; bfloat16 is the upper half of a float32."""
    return np.dtype("uint16" if dtype == "bfloat16" else dtype)


def stored(value: Any, dtype: str) -> Any:
    """A copy of values as they are in memory, rounded to nearest where that is narrower."""
    if dtype != "bfloat16":
        return np.array(value, storage(dtype), order="C")
    words = np.array(value, np.float32, order="C").view(np.uint32)
    rounded = (words + 0x7FFF + (words >> 16 & 1)) >> 16
    return np.where(np.isnan(value), 0x7FC0, rounded).astype(np.uint16)


def shown(memory: Any, dtype: str) -> Any:
    """A copy of the values that are in memory, bfloat16 as float32."""
    if dtype == "bfloat16":
        return np.asarray(memory.astype(np.uint32) << 16, np.uint32).view(np.float32)
    return memory.copy()


def view(array: Any, described: Header) -> Any:
    """The memory of a dense Warp array on the CPU, vector and matrix axes trailing."""
    kind = storage(described["dtype"])
    size = prod(described["shape"]) * kind.itemsize
    buffer: Any = (ctypes.c_char * size).from_address(array.ptr)
    return np.frombuffer(buffer, kind).reshape(described["shape"])


def seed(memory: Any, cotangent: Any, dtype: str) -> None:
    """Add a cotangent: a program may return the same array twice, or one that it was given."""
    with np.errstate(all="ignore"):
        memory[...] = stored(shown(memory, dtype) + cotangent, dtype)


# JAX.


class Jax:
    """One release of JAX on the CPU."""

    def __init__(self) -> None:
        os.environ["JAX_PLATFORMS"] = "cpu"
        jax: Any = importlib.import_module("jax")
        self.jax = jax
        jax.config.update("jax_enable_compilation_cache", False)
        if hasattr(jax, "enable_x64"):
            self.x64: Any = jax.enable_x64
        else:
            self.x64 = importlib.import_module("jax.experimental").enable_x64
        warnings.simplefilter("ignore")
        self.cpu = jax.devices("cpu")[0]
        self.ways: dict[str, Header] = {
            "default": {},
            "again": {},
            "O0": {"xla_backend_optimization_level": 0},
            "eager": {},
            "forward_mode": {},
        }
        """Each way, and the `compiler_options` it compiles with."""

    def collect(self) -> None:
        """Free what earlier requests left."""
        self.jax.clear_caches()
        gc.collect()

    def run(self, request: Header, arrays: Arrays, ways: Sequence[str]) -> list[Ran]:
        """Run a program in each of the ways; "again" runs what was compiled for "default"."""
        with self.x64(request["wide"]), self.jax.default_device(self.cpu):
            try:
                with failing("source_error"):
                    source = Source(self.jax, request, arrays)
            except Failure as failure:
                return [Ran(failure=failure, gradient_failure=failure) for _ in ways]
            compiled: dict[Any, Any] = {}
            return [self._run(source, way, compiled) for way in ways]

    def _run(self, source: Source, way: str, compiled: dict[Any, Any]) -> Ran:
        seconds: list[float] = []
        size: list[int] = []

        def call(function: Callable[..., Any], *arguments: Any) -> Any:
            """Call a function the way asked for."""
            if way == "eager":
                with failing("execution_error"):
                    return self.jax.block_until_ready(function(*arguments))
            # Forward mode differs in gradients alone.
            shared = way == "again" or (way == "forward_mode" and function == source.forward)
            key = function, "default" if shared else way
            if key not in compiled:
                started = time.process_time()
                with failing("compile_error"):
                    lowered = self.jax.jit(function).lower(*arguments)
                    made = lowered.compile(compiler_options=self.ways[way] or None)
                compiled[key] = made, time.process_time() - started, code_size(made)
            made, spent, length = compiled[key]
            seconds.append(spent)
            size.append(length)
            with failing("execution_error"):
                return self.jax.block_until_ready(made(*arguments))

        outputs: Arrays | None = None
        failure = Failure("")
        try:
            outputs = source.outputs(call(source.forward, *source.arguments()))
        except Failure as found:
            failure = found
        ran = Ran(outputs, failure=failure)
        if source.request["backward"]:
            try:
                pulled = source.jacobian(call) if way == "forward_mode" else source.pullback(call)
                ran = ran._replace(gradients=pulled)
            except Failure as found:
                ran = ran._replace(gradient_failure=found)
        if not seconds:
            return ran
        return ran._replace(compile_seconds=sum(seconds), code_bytes=sum(size))


def code_size(compiled: Any) -> int:
    """The bytes of optimized HLO, without what tells where in the source it comes from."""
    return len(SOURCE_TABLES.sub("", METADATA.sub("", compiled.as_text() or "")))


class Source:
    """The entry of a source as a function of what it takes, with what it is fed."""

    def __init__(self, jax: Any, request: Header, arrays: Arrays) -> None:
        self.jax = jax
        self.request = request
        self.arrays = arrays
        names: Header = {"__name__": request["entry"]}
        code = compile(request["source"], f"<{request['entry']}>", "exec", dont_inherit=True)
        exec(code, names)
        self.entry: Callable[..., Any] = names[request["entry"]]
        self.kept = [at for at, given in enumerate(request["cotangents"]) if given is not None]
        self.places = [request["takes"].index(at) for at in request["differentiates"]]

    def _array(self, at: int, dtype: str) -> Any:
        numpy = self.jax.numpy
        return numpy.asarray(np.asarray(self.arrays[at]).astype(numpy.dtype(dtype)))

    def arguments(self) -> list[Any]:
        """Fresh copies of what the entry takes."""
        request = self.request
        return [
            self._array(request["inputs"][at], request["parameters"][at]["dtype"])
            for at in request["takes"]
        ]

    def cotangents(self) -> tuple[Any, ...]:
        """The cotangents of the results that have one."""
        request = self.request
        return tuple(
            self._array(request["cotangents"][at], request["results"][at]["dtype"])
            for at in self.kept
        )

    def forward(self, *arguments: Any) -> tuple[Any, ...]:
        """The results, always a tuple."""
        return tuple(listed(self.entry(*arguments)))

    def outputs(self, results: Sequence[Any]) -> Arrays:
        """Results as arrays; Failure where they are not what the program says."""
        described = self.request["results"]
        if len(results) != len(described):
            detail = f"it gives {len(results)} results, not {len(described)}"
            raise Failure("execution_error", detail)
        for at, (result, kind) in enumerate(rows(results, described)):
            checked(result.shape, kind, at)
        return [numbers(result, kind["dtype"]) for result, kind in rows(results, described)]

    def _of_floats(self, arguments: Sequence[Any]) -> Callable[..., Any]:
        """The results that have a cotangent as a function of the arguments to differentiate."""

        def function(*values: Any) -> Any:
            changed = dict(rows(self.places, values))
            results = self.forward(*[changed.get(at, one) for at, one in enumerate(arguments)])
            return tuple(results[at] for at in self.kept)

        return function

    def backward(self, arguments: Sequence[Any], cotangents: Any) -> Any:
        """The gradients, in reverse mode."""
        floats = [arguments[at] for at in self.places]
        return self.jax.vjp(self._of_floats(arguments), *floats)[1](cotangents)

    def tangents(self, arguments: Sequence[Any], which: Any) -> Any:
        """For each number of an argument, counted through all arguments, how the results change
        with it: forward mode."""
        jax, numpy = self.jax, self.jax.numpy
        floats = [arguments[at] for at in self.places]
        function = self._of_floats(arguments)

        def one(k: Any) -> Any:
            basis: list[Any] = []
            start = 0
            for value in floats:
                unit = numpy.arange(start, start + value.size, dtype=numpy.int32) == k
                basis.append(unit.astype(value.dtype).reshape(value.shape))
                start += value.size
            return jax.jvp(function, tuple(floats), tuple(basis))[1]

        return jax.lax.map(one, which)

    def pullback(self, call: Callable[..., Any]) -> Arrays:
        """The gradients by parameter, None for those that have none."""
        return self._by_parameter(call(self.backward, self.arguments(), self.cotangents()))

    def jacobian(self, call: Callable[..., Any]) -> Arrays:
        """The same from tangents, contracted with the cotangents in double precision."""
        request = self.request
        given = self.arguments()
        weights = [np.asarray(ct).astype(np.float64).reshape(-1) for ct in self.cotangents()]
        lengths = [given[at].size for at in self.places]
        total = sum(lengths)
        chunk = max(1, min(total, TANGENTS // max(1, sum(map(len, weights)))))
        flat = np.zeros(-(-total // chunk) * chunk)
        for start in range(0, total, chunk):
            which = self.jax.numpy.asarray(np.arange(start, start + chunk, dtype=np.int32))
            for weight, found in rows(weights, call(self.tangents, given, which)):
                tangents = np.asarray(found).astype(np.float64).reshape(chunk, -1)
                with np.errstate(all="ignore"):
                    flat[start : start + chunk] += tangents @ weight
        parts = np.split(flat[:total], np.cumsum(lengths)[:-1])
        shapes = [request["parameters"][at]["shape"] for at in request["differentiates"]]
        with np.errstate(all="ignore"):
            return self._by_parameter([p.reshape(shape) for p, shape in rows(parts, shapes)])

    def _by_parameter(self, gradients: Sequence[Any]) -> Arrays:
        request = self.request
        found: Arrays = [None] * len(request["parameters"])
        for at, gradient in rows(request["differentiates"], gradients):
            found[at] = numbers(gradient, request["parameters"][at]["dtype"])
        return found


# The process.

RUNNERS: dict[str, Callable[[], Any]] = {"warp": Warp, "jax": Jax}


def said() -> str:
    """What was written to standard error since the request began, where that is a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    if not stat.S_ISREG(os.fstat(2).st_mode):
        return ""
    return os.pread(2, LARGEST_FILE, 0).decode("utf-8", errors="replace")


def forget() -> None:
    """Empty standard error, where that is a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    if stat.S_ISREG(os.fstat(2).st_mode):
        os.ftruncate(2, 0)


def streams() -> tuple[BufferedReader, int]:
    """Where frames come from and go to. Nothing else reads the one or writes to the other."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def end_with(parent: int) -> None:
    """Let this process end with its parent."""
    set_parent_death_signal = 1
    ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)


def answer(runner: Any, request: Header, arrays: Arrays) -> bytes:
    """The reply to a request."""
    kept: Arrays = []

    def places(found: Arrays | None) -> Any:
        if found is None:
            return None
        made: list[int | None] = []
        for array in found:
            made.append(None if array is None else len(kept))
            kept.extend([] if array is None else [array])
        return made

    known = runner.ways
    runnable = [way for way in request["ways"] if way in known]
    by_way = dict(rows(runnable, list(runner.run(request, arrays, runnable))))
    missing = Failure("not_captured", "this release has no such way to run a program")
    replies: list[Header] = []
    for way in request["ways"]:
        ran = by_way.get(way, Ran(failure=missing, gradient_failure=missing))
        replies.append(
            {
                "way": way,
                "outputs": places(ran.outputs),
                "gradients": places(ran.gradients),
                "reason": ran.failure.reason,
                "detail": ran.failure.detail,
                "gradient_reason": ran.gradient_failure.reason,
                "gradient_detail": ran.gradient_failure.detail,
                "compile_seconds": ran.compile_seconds,
                "code_bytes": ran.code_bytes,
            }
        )
    return pack({"kind": "ran", "ways": replies}, kept)


def hello(backend: str) -> tuple[Any, Header]:
    """What runs programs here, None where nothing can, and the first frame's header."""
    header: Header = {"kind": "hello", "protocol": PROTOCOL, "backend": backend, "problem": ""}
    runner: Any = None
    try:
        with failing("execution_error"):
            runner = RUNNERS[backend]()
    except Failure as failure:
        header["problem"] = failure.detail
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    for distribution in DISTRIBUTIONS[backend]:
        # What does not import may still be installed, and the other way round.
        try:
            versions[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            versions[distribution] = ""
    ways: Header = {} if runner is None else runner.ways
    return runner, {**header, "versions": versions, "ways": ways}


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * resource.getpagesize()


def send(descriptor: int, frame: bytes) -> None:
    """Write all of a frame."""
    left = memoryview(frame)
    while left:
        left = left[os.write(descriptor, left) :]


def main(backend: str, parent: int | None = None) -> None:
    """Serve requests until the input ends."""
    if parent is not None:
        end_with(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if limit == resource.RLIM_INFINITY or limit > LARGEST_FILE:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, limit))
    sys.dont_write_bytecode = True
    requests, replies = streams()
    runner, header = hello(backend)
    send(replies, pack(header))
    served = held = 0
    while runner is not None:
        forget()
        received = read_frame(requests)
        if received is None:
            break
        send(replies, answer(runner, *received))
        served += 1
        if served % COLLECT_EVERY == 0 or resident() > held + COLLECT_BYTES:
            runner.collect()
            held = resident()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
