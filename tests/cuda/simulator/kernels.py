"""Kernels written by hand, several to a text, so that one compilation serves many tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from symfuse.compiler.targets.cuda.preamble import preamble

__all__ = ["Kernel", "written"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of a text, as `simulate` takes it."""

    name: str
    text: str
    threads: int
    shared: int = 0

    def with_shared(self, shared: int) -> Kernel:
        """The same kernel with so much dynamic shared memory."""
        return replace(self, shared=shared)

    def mutated(self, old: str, new: str) -> Kernel:
        """The kernel with one place of its text written differently."""
        assert self.text.count(old) == 1, f"{old!r} stands {self.text.count(old)} times in the text"
        return replace(self, text=self.text.replace(old, new))


def written(body: str) -> dict[str, Kernel]:
    """The kernels of a text without preamble, by name; they are exported here.

    The line that starts one, `SF_KERNEL(name, threads)(parameters) {`, is not broken.
    """
    kernels, exports = {}, ""
    for line in body.splitlines():
        if not line.startswith("SF_KERNEL("):
            continue
        head, _, parameters = line.removeprefix("SF_KERNEL(").partition(")")
        name, threads = head.split(", ")
        kinds = [p.rpartition(" ")[0] for p in parameters.strip(" ({)").split(", ")]
        exports += f"SF_EXPORT({', '.join([name, *kinds])});\n"
        kernels[name] = int(threads)
    text = f"{preamble()}\n{body.strip()}\n\n{exports}"
    return {name: Kernel(name, text, threads) for name, threads in kernels.items()}
