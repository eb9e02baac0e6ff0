"""Tasks on this machine: one process a task, so many at a time, the ready ones in their order.

A task has a process to itself, so that one that runs out of memory, or is killed, takes nobody
along. On a CPU the processes are forked from a server that has imported torch once and computed
nothing: each begins as clean as a new interpreter, without the ten seconds of imports.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from classay.determinism import no_hub_kernels
from classay.errors import ClassayError, Interrupted

PRELOAD = ["classay.executors.warm"]
TOLD_EVERY = 0.2  # seconds between two words about progress


@dataclass(frozen=True)
class Task:
    """A call that gets ``tell`` as its last argument."""

    name: str
    call: Callable[..., None]
    args: tuple[Any, ...]
    stderr: Path
    after: frozenset[str] = field(default_factory=frozenset)  # tasks that must have ended


def run(
    tasks: Sequence[Task],
    jobs: int,
    fork: bool,
    progress: Callable[[str, float], None],
    ended: Callable[[Task, int, str], None],
) -> None:
    """Run every task once those before it have ended, however they ended.

    jobs      how many at a time
    fork      fork from a server that has the imports; False for a GPU, which a fork breaks
    progress  called with a task's name and the share that is done
    ended     called with a task, its exit code (negative: the signal that killed it) and the
              words of the error that it raised on purpose, if any
    """
    context: Any = multiprocessing.get_context("forkserver" if fork else "spawn")
    if fork:
        context.set_forkserver_preload(PRELOAD)
    waiting, over = list(tasks), set[str]()
    running: dict[Any, tuple[Task, Any, Connection]] = {}
    said: dict[str, str] = {}
    try:
        while waiting or running:
            ready = [task for task in waiting if task.after <= over]
            for task in ready[: jobs - len(running)]:
                waiting.remove(task)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_enter, args=(task, theirs), name=task.name)
                process.start()
                theirs.close()
                running[process.sentinel] = (task, process, ours)
            pipes = [pipe for _, _, pipe in running.values() if not pipe.closed]
            wait([*running, *pipes], timeout=1.0)
            for sentinel, (task, process, pipe) in list(running.items()):
                _hear(task, pipe, progress, said)
                if not process.is_alive():
                    process.join()
                    _hear(task, pipe, progress, said)  # what it sent with its last breath
                    pipe.close()
                    del running[sentinel]
                    over.add(task.name)
                    ended(task, process.exitcode, said.get(task.name, ""))
    finally:
        for _, process, _ in running.values():
            process.terminate()
            process.join()


def _hear(
    task: Task, pipe: Connection, progress: Callable[[str, float], None], said: dict[str, str]
) -> None:
    """Take what a child has sent: how far it is, or why it stops."""
    try:
        while not pipe.closed and pipe.poll():
            word = pipe.recv()
            if isinstance(word, str):
                said[task.name] = word
            else:
                progress(task.name, word)
    except (EOFError, OSError):
        pipe.close()


def _enter(task: Task, pipe: Connection) -> None:
    """The whole life of a child process."""
    no_hub_kernels()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    task.stderr.parent.mkdir(parents=True, exist_ok=True)
    with task.stderr.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    said = 0.0

    def tell(share: float) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said > TOLD_EVERY or share >= 1:
            said = now
            pipe.send(share)

    try:
        task.call(*task.args, tell)
    except ClassayError as error:
        pipe.send(str(error))
        sys.exit(error.exit_code)


def _die_with_parent() -> None:
    """A killed run must not leave cells that go on writing beside the next run's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(Interrupted.exit_code)
