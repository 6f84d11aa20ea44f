"""Work that may run away or crash, in child processes: within memory and time, and told when one dies.

A job is a function named by its import path and arguments that JSON can hold. Whatever happens in a child,
the caller gets an `Outcome`: what the function returned, or why there is nothing::

    jobs = [Job("row 1", {"path": "a.zip"}, Allowance(memory_bytes=1 << 30))]
    for outcome in run_jobs("package.module:function", jobs):
        print(outcome.key, outcome.value if outcome.failure is None else outcome.failure)
"""

from organelle.children.child import tell
from organelle.children.jobs import Allowance, Event, Failure, Job, Outcome, Why
from organelle.children.machine import available_memory, cores, total_memory
from organelle.children.pool import run_jobs

__all__ = [
    "Allowance",
    "Event",
    "Failure",
    "Job",
    "Outcome",
    "Why",
    "available_memory",
    "cores",
    "run_jobs",
    "tell",
    "total_memory",
]
