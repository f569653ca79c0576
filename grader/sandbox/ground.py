"""Where student code runs on this machine: the kind of kernel, and the rung of walls round it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import UsageError
from grader.model import Limits
from grader.sandbox import ladder, outer
from grader.sandbox.ladder import Rung

if TYPE_CHECKING:
    from grader.sandbox.kernel import Kernels


@dataclass(frozen=True, slots=True)
class Ground:
    """A kind of kernel, "pipe" or "cold", on a rung; `why_cold` says why the kernels are not pipes
    where nobody asked for that."""

    kernel: str
    rung: Rung
    why_cold: str = ""

    @property
    def notices(self) -> tuple[str, ...]:
        """What whoever runs this, or reads its results, has to know."""
        cold = f"kernels are cold, and slow: {self.why_cold}"
        return (*self.rung.banner, *([cold] if self.why_cold else []))

    def cold(self, why: str) -> Ground:
        return replace(self, kernel="cold", why_cold=" ".join(why.split())[-300:])

    def kernels(self, home: Path, data: str, limits: Limits, imports: frozenset[str]) -> Kernels:
        """The source of kernels for a run.

        home, data  as for Kernels; imports  the packages that its notebooks import
        """
        if self.kernel == "pipe":
            from grader.sandbox.pipe import PipeKernels

            return PipeKernels(home, data, self.rung, limits, imports)
        from grader.sandbox.cold import ColdKernels

        return ColdKernels(home, data, self.rung, limits)


def choose(kernel: str = "auto", *, unsafe: bool = False) -> Ground:
    """The ground for a run: the highest rung there is, and the kind of kernel asked for.

    kernel  "auto", "pipe" or "cold"; unsafe  whether rung C will do

    Raises UsageError if it will not, or if there are no pipe kernels here.
    """
    rung = ladder.rung()
    if rung.letter == "C" and not unsafe:
        walls = "\n".join(f"  {line}" for line in rung.banner)
        raise UsageError(
            f"there is no sandbox here, so nothing was run:\n{walls}\n"
            "  if you trust every notebook with your account, use --unsafe-no-sandbox"
        )
    system = "" if sys.platform == "linux" and hasattr(os, "pidfd_open") else sys.platform
    if system and kernel == "pipe":
        raise UsageError(f"there are no pipe kernels on {system}: use --kernel cold")
    ground = Ground("cold" if system or kernel == "cold" else "pipe", rung)
    return ground.cold(f"there are no pipe kernels on {system}") if system else ground


def exposed(rung: Rung, protect: list[Path]) -> list[str]:
    """Which of the folders to protect can be read from inside, each with the reason."""
    if rung.letter == "C":
        return []
    return [
        f"{folder} can be read by notebooks, since they need {place}: move one of them"
        for folder, place in outer.exposed(protect)
    ]
