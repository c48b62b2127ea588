"""The form of a workload, and the builders that most of them share."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..libraries import Library

__all__ = [
    "Builder",
    "Call",
    "Workload",
    "by_hand",
    "gradient",
    "gradients",
    "jax_gradient",
    "scans",
    "torch_gradient",
]

TORCH_ON_ONE_THREAD = "torch: one thread"

Call = Callable[[], Any]
Builder = Callable[..., Call]
"""From the library and the arguments, which are of its own kind already, to the call that is timed."""
Maker = Callable[[Any], Callable[..., Any]]
"""From the module that spells sin, tanh, sum to the function."""


@dataclass(frozen=True)
class Workload:
    """One row of the tables.

    `arguments` : makes the arguments, NumPy arrays and numbers, the same at every call.
    `builders` : library -> builder. Where a library has several good forms, "jax: scan" beside "jax" names a
    second one, and the better counts.
    `long` : left out of a quick run, as are `long_forms`. `cold_only` : only first calls are of interest.
    """

    name: str
    arguments: Callable[[], tuple[Any, ...]]
    builders: Mapping[str, Builder]
    long: bool = False
    long_forms: tuple[str, ...] = ()
    cold_only: bool = False

    def forms(self, quick: bool) -> list[str]:
        """Return the forms to measure. PyTorch also runs on one thread: with small arrays that is better."""
        forms = [form for form in self.builders if not (quick and form in self.long_forms)]
        return [*forms, TORCH_ON_ONE_THREAD] if "torch" in forms else forms

    def build(self, form: str, library: Library, arguments: Sequence[Any]) -> Call:
        if library.name != "torch":
            return self.builders[form](library, *arguments)
        return on_threads(self.builders["torch"](library, *arguments), form, library.ad)


def on_threads(call: Call, form: str, torch: Any) -> Call:
    """Set PyTorch's number of threads, which is the process's, before each call: that costs 0.1 us."""
    count, choose = 1 if form == TORCH_ON_ONE_THREAD else os.cpu_count(), torch.set_num_threads

    def on_these_threads() -> Any:
        choose(count)
        return call()

    return on_these_threads


def gradient(loss: Maker, argnums: int | tuple[int, ...] = 0) -> Builder:
    """The compiled gradient in autotrace, or the gradient in autograd, which has no compiler."""

    def build(library: Library, *arguments: Any) -> Call:
        derivative = library.ad.grad(loss(library.np), argnums)
        compiled = library.ad.jit(derivative) if library.name == "autotrace" else derivative
        return lambda: compiled(*arguments)

    return build


def jax_gradient(loss: Maker, argnums: int | tuple[int, ...] = 0) -> Builder:
    """The compiled gradient in JAX, waiting for its result. `loss` gets all of jax."""

    def build(library: Library, *arguments: Any) -> Call:
        jax = library.ad
        compiled = jax.jit(jax.grad(loss(jax), argnums))
        return lambda: jax.block_until_ready(compiled(*arguments))

    return build


def scans(loss: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> dict[str, Builder]:
    """The compiled gradient of a loop written with `scan`. `loss` gets the module for the mathematics, and scan."""

    def build(library: Library, *arguments: Any) -> Call:
        compiled = library.ad.jit(library.ad.grad(loss(library.np, library.ad.scan), argnums))
        return lambda: compiled(*arguments)

    in_jax = jax_gradient(lambda jax: loss(jax.numpy, jax.lax.scan), argnums)
    return {"autotrace: scan": build, "jax: scan": in_jax}


def torch_gradient(loss: Maker, argnums: int | tuple[int, ...] = 0) -> Builder:
    """The gradient in PyTorch, eager."""
    positions = (argnums,) if isinstance(argnums, int) else argnums

    def build(library: Library, *arguments: Any) -> Call:
        torch, f = library.ad, loss(library.np)
        wanted = [arguments[i].requires_grad_() for i in positions]
        return lambda: torch.autograd.grad(f(*arguments), wanted)

    return build


def by_hand(function: Callable[..., Any]) -> Builder:
    """The gradient written out."""

    def build(library: Library, *arguments: Any) -> Call:
        return lambda: function(*arguments)

    return build


def gradients(
    loss: Maker,
    torch_loss: Maker,
    written: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] = 0,
) -> dict[str, Builder]:
    """The gradient of one loss in every library; `loss` is the same text for NumPy, autograd and JAX."""
    builders = {
        "autotrace": gradient(loss, argnums),
        "autograd": gradient(loss, argnums),
        "torch": torch_gradient(torch_loss, argnums),
        "jax": jax_gradient(lambda jax: loss(jax.numpy), argnums),
    }
    return builders if written is None else builders | {"by hand": by_hand(written)}
