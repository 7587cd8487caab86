"""One line that says how the run goes."""

from __future__ import annotations

from rich.live import Live
from rich.text import Text

from citadelle.progress import console
from citadelle.stress.load import Load
from citadelle.stress.numbers import amount, count, duration
from citadelle.stress.recorder import Snapshot

# A reader's eye, and a log that nobody watches.
TERMINAL_SECONDS = 0.25
LOG_SECONDS = 5.0


def follow(load: Load) -> None:
    """Show the line until the clients have ended; on a terminal it stays in its place."""
    if not console.is_terminal:
        while not load.wait(LOG_SECONDS):
            console.print(line(load.snapshot()))
        return
    with Live(line(load.snapshot()), console=console, auto_refresh=False) as shown:
        while not load.wait(TERMINAL_SECONDS):
            shown.update(line(load.snapshot()), refresh=True)


def line(seen: Snapshot) -> Text:
    """Return elapsed time, rate and latencies of the last full second, longest gap, errors."""
    text = Text(f"{duration(seen.elapsed)}  ")
    if seen.last:
        latencies = (amount(seen.last.p50_ms), amount(seen.last.p99_ms))
        text.append(f"{count(seen.last.answered)} req/s  p50/p99 {'/'.join(latencies)} ms  ")
    if seen.gap_seconds is not None:
        text.append(f"coupure max {amount(seen.gap_seconds)} s  ")
    errors = ", ".join(f"{e.stage} {e.name} × {count(e.count)}" for e in seen.errors)
    return text.append(errors or "aucune erreur", style="red" if errors else "green")
