"""First calls, each in a process that has called nothing: `python -m tests.benchmarks.cold LIBRARY` serves.

The server imports one library and waits. It answers one request and ends; or, with `fork`, each request in a
fork of itself, which stands where a fresh process stands once its imports are done, but pays about half a
millisecond more for the memory that it copies: good enough for a quick run, where importing would take most
of the time. Importing is timed elsewhere, making arguments is not timed; building the function, tracing,
compiling and running are.
"""

import gc
import json
import os
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .libraries import Library, load
from .workloads import Workload, all_workloads

__all__ = ["Cold", "Memory", "Server"]

COUNTS = (1, 10, 100, 1_000, 10_000)
_MEMORY_SHARE = 0.7
"""Of the machine's memory: a child that wants more fails, rather than the machine."""


class Cold(NamedTuple):
    """The seconds from cold to the end of a number of calls, by that number; `last` is the last reached."""

    seconds: Mapping[int, float]
    last: int

    def until(self, count: int, steady: float) -> float:
        """Return the seconds to the end of `count` calls; past the last one, each takes `steady` seconds."""
        found = self.seconds.get(count)
        return self.seconds[self.last] + (count - self.last) * steady if found is None else found


class Memory(NamedTuple):
    """Peak bytes that the first call added, and a later one.

    Libraries on NumPy count what they allocate; the others, `resident`, tell the growth of the process, which
    is exact only where it is large.
    """

    first: int
    later: int | None
    resident: bool


class Server:
    """Measures one library, in a new process for each request or in forks of one."""

    def __init__(self, library: str, fork: bool = False) -> None:
        self._command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.cold", library]
        self._fork = fork
        self._process: subprocess.Popen[str] | None = None

    def first_calls(self, workload: str, form: str, budget: float) -> Cold | str:
        """Call from cold, again and again, for `budget` seconds; return the times, or what went wrong."""
        answer = self._ask(kind="first_calls", workload=workload, form=form, budget=budget)
        if "error" in answer:
            return answer["error"]
        return Cold({int(count): seconds for count, seconds in answer["seconds"].items()}, answer["last"])

    def memory(self, workload: str, form: str, budget: float) -> Memory | str:
        """Measure the peaks of the first call and, where NumPy tells it, of one after `budget` seconds."""
        answer = self._ask(kind="memory", workload=workload, form=form, budget=budget)
        return answer["error"] if "error" in answer else Memory(**answer)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _ask(self, **request: Any) -> dict[str, Any]:
        if self._process is None:
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
                env=environment,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(request | {"fork": self._fork}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not self._fork:
            self.close()
        return json.loads(line) if line else {"error": "the process died"}


def first_calls(build: Callable[[], Callable[[], Any]], budget: float) -> dict[str, Any]:
    seconds: dict[int, float] = {}
    start = time.perf_counter()
    call, count, elapsed = build(), 0, 0.0
    while count < COUNTS[-1] and (elapsed < budget or count == 0):
        call()
        count += 1
        elapsed = time.perf_counter() - start
        if count in COUNTS:
            seconds[count] = elapsed
    return {"seconds": seconds | {count: elapsed}, "last": count}


def peak_memory(library: Library, build: Callable[[], Callable[[], Any]], budget: float) -> dict[str, Any]:
    if library.name in ("jax", "torch"):
        before = status("VmRSS")
        build()()
        return {"first": max(0, status("VmHWM") - before), "later": None, "resident": True}
    call = build()
    first, start = peak_of(call), time.perf_counter()
    for _ in range(100):
        call()
        if time.perf_counter() - start > budget:
            break
    return {"first": first, "later": peak_of(call), "resident": False}


def peak_of(call: Callable[[], Any]) -> int:
    gc.collect()
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def status(field: str) -> int:
    """Return a number of bytes that Linux keeps for this process, 0 where there is none."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), 0)


def limit_memory() -> None:
    """Let this process fail with MemoryError where it would drive the machine out of memory."""
    try:
        import resource
    except ImportError:
        return
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_DATA, (int(_MEMORY_SHARE * total), -1))


def measured(library: Library, workload: Workload, request: Mapping[str, Any]) -> dict[str, Any]:
    arguments = [library.array(argument) for argument in workload.arguments()]
    if request["fork"]:
        gc.collect()  # writes to the memory of most objects: what the fork shares is copied now, untimed

    def build() -> Callable[[], Any]:
        return workload.build(request["form"], library, arguments)

    if request["kind"] == "memory":
        return peak_memory(library, build, request["budget"])
    return first_calls(build, request["budget"])


def answer(library: Library, workload: Workload, request: Mapping[str, Any]) -> str:
    limit_memory()
    try:
        result = measured(library, workload, request)
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    return json.dumps(result)


def in_child(library: Library, workload: Workload, request: Mapping[str, Any]) -> str:
    """Answer a request in a fork of this process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w", encoding="utf-8") as pipe:
            pipe.write(answer(library, workload, request))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text or json.dumps({"error": "the process died"})


def serve(name: str) -> None:
    library, workloads = load(name), all_workloads()
    warnings.simplefilter("ignore")  # JAX warns of forks of a process that has used it; this one has not
    for line in sys.stdin:
        request = json.loads(line)
        respond = in_child if request["fork"] else answer
        print(respond(library, workloads[request["workload"]], request), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
