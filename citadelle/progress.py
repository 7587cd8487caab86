"""What the operator sees while something takes time: what is done, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table

from citadelle.errors import CitadelleError

console = Console(highlight=False)
# How often a condition is looked at again, in seconds.
POLL_SECONDS = 0.5


def table(title: str, *columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """Return an empty table in the house style, narrow enough for 80 columns."""
    grid = Table(
        title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False
    )
    for column in columns:
        grid.add_column(
            column,
            justify="right" if column in numbers else "left",
            min_width=len(column),
            overflow="fold",
        )
    return grid


@dataclass
class Steps:
    """The steps of one command and how long each took, in seconds."""

    durations: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show the title while the body runs, then its duration."""
        start = time.monotonic()
        try:
            if console.is_terminal:
                with console.status(f"{title}…"):
                    yield
            else:
                console.print(f"  … {title}")
                yield
        except BaseException:
            console.print(f"  [red]✘[/] {title} ({time.monotonic() - start:.1f} s)")
            raise
        self.durations.append((title, time.monotonic() - start))
        console.print(f"  [green]✔[/] {title} ({self.durations[-1][1]:.1f} s)")


def wait_until(
    condition: Callable[[], str | None],
    what: str,
    seconds: float,
    advice: str = "",
    *,
    poll: float | None = None,
) -> None:
    """Wait until ``condition`` returns None; it returns what is still missing otherwise.

    It is asked every ``poll`` seconds: POLL_SECONDS, or less where clients are waiting.

    Raises:
        CitadelleError: after ``seconds``, with the last state seen.
    """
    deadline = time.monotonic() + seconds
    while (missing := condition()) is not None:
        if time.monotonic() > deadline:
            raise CitadelleError(
                f"{what} : toujours pas après {seconds:.0f} s (dernier état : {missing})."
                + (f"\n{advice}" if advice else "")
            )
        time.sleep(POLL_SECONDS if poll is None else poll)
