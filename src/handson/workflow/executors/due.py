"""Which tasks of a sweep are to be trained now, wherever that is done."""

from __future__ import annotations

from handson.workflow.tasks.attempts import attempts_of, set_aside
from handson.workflow.tasks.folder import Sweep, Task
from handson.workflow.tasks.states import ENDED, Queue, results, standings

# What nobody trains, and what did not end.
IDLE = ("waiting", "stopped", "lost")


def due(sweep: Sweep, queue: Queue | None) -> list[Task]:
    """The tasks that nobody trains and that have not ended; when all have ended, those of the next round.

    Parameters
    ----------
    sweep : Sweep
        The sweep; the next round is added to it.
    queue : Queue, optional
        What the scheduler said before.
    """
    rounds = sweep.settle()
    found = standings(sweep, queue)
    if all(one.state in ENDED for one in found):
        return sweep.plan(results(sweep, found), rounds)
    return [one.task for one in found if one.state in IDLE]


def try_again(sweep: Sweep, queue: Queue | None) -> int:
    """Let tasks that have failed count as not begun; how many there are."""
    failed = [one.task for one in standings(sweep, queue) if one.state == "failed"]
    for task in failed:
        set_aside(task, attempts_of(task))
    return len(failed)
