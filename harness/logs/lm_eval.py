"""Results of lm-evaluation-harness: one file is one row, several in order are the stages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from classay.errors import ConfigError
from classay.logs.logged import Logged
from classay.logs.rows import Cell, matrix, step
from classay.logs.source import Source


def sniff(said: Any) -> bool:
    """Whether a JSON document is one."""
    return (
        isinstance(said, dict)
        and isinstance(said.get("results"), dict)
        and ("n-shot" in said or "lm_eval_version" in said)
    )


def read(files: Sequence[tuple[Source, Any]], tasks: Sequence[str] = ()) -> list[Logged]:
    """One matrix for each metric that every task has.

    files    each a source and its JSON document, in the order of the stages; T of them, or T + 1
             where the first is before training; one alone is the row at the end
    tasks    the columns in the order of training; empty: all of the first file, as it has them
    returns  Logged, one a metric; scores in the unit of lm-eval, which is a fraction for accuracies
    raises   ConfigError   a task that is not there or there twice, groups that are none, no metric
             in common, or another number of files
    """
    places = ", ".join(str(source.path) for source, _ in files)
    results = [said["results"] for _, said in files]
    if twice := next((task for task in tasks if tasks.count(task) > 1), None):
        raise ConfigError(
            f"--tasks names {twice[:60]!r} twice.\n"
            f"  Each column must be a task of its own. Name each once."
        )
    chosen = list(tasks) or _top(*files[0])
    if not chosen:
        raise ConfigError(
            f"{files[0][0].path} holds results of no task.\n"
            f"  At least one task with a score is needed. Give a file of an evaluation that ended."
        )
    for task in chosen:
        if not isinstance(results[0].get(task), dict):
            known = ", ".join(map(str, results[0]))
            raise ConfigError(
                f"{files[0][0].path} has no results for the task {task!r}; it has "
                f"{known[:300] or 'none'}.\n  Name tasks that were evaluated, with --tasks."
            )
    count = len(chosen)
    if len(files) not in (1, count, count + 1):
        raise ConfigError(
            f"{len(files)} files of lm-eval and {count} tasks ({', '.join(chosen)[:300]}).\n"
            f"  One file a stage is needed, and one more if the first is before training, or a "
            f"single one. Name the tasks of the stream in order, with --tasks."
        )
    higher = files[0][1].get("higher_is_better", {})
    keys = [
        key
        for key in results[0][chosen[0]]
        if all(_is_score(key, result.get(task)) for result in results for task in chosen)
    ]
    usable = [key for key in keys if _better(higher, chosen, key)]
    if not usable:
        raise ConfigError(
            f"{places} have no metric for which more is better and which all of "
            f"{', '.join(chosen)[:300]} have in every file.\n"
            f"  One such metric is needed. Name tasks that share it, with --tasks; losses can be "
            f"given as a CSV, with --loss."
        )
    digest = hashlib.sha256("".join(source.sha256 for source, _ in files).encode()).hexdigest()
    notes = _notes(files, chosen, [key for key in keys if key not in usable], bool(tasks))
    logged = []
    for key in usable:
        rows: list[list[Cell]] = [[result[task][key] for task in chosen] for result in results]
        if len(files) == 1:
            rows[:0] = [[None] * count for _ in range(count - 1)]
        logged.append(
            Logged(
                f"lm-eval {key}",
                places,
                files[0][0].sha256 if len(files) == 1 else digest,
                matrix(f"{places} ({key})", rows),
                "score",
                tuple(chosen),
                step(rows),
                sizes=_sizes(files[0][1], chosen),
                notes=notes,
            )
        )
    return logged


def _top(source: Source, said: Any) -> list[str]:
    """The tasks that are not part of a group."""
    groups = said.get("group_subtasks", {})
    lists = isinstance(groups, dict) and all(isinstance(parts, list) for parts in groups.values())
    within = [task for parts in groups.values() for task in parts] if lists else []
    if not lists or not all(isinstance(task, str) for task in within):
        raise ConfigError(
            f'{source.path} has "group_subtasks" that are no lists of the names of tasks.\n'
            f"  Such lists by group are what lm-eval writes. Give the file as it wrote it, or name "
            f"the columns with --tasks."
        )
    parts = set(within)
    return [task for task in said["results"] if task not in parts]


def _is_score(key: str, result: Any) -> bool:
    if not isinstance(result, dict) or "," not in key or "_stderr," in key:
        return False
    return type(result.get(key)) in (int, Decimal)


def _better(higher: Any, tasks: Sequence[str], key: str) -> bool:
    """Whether lm-eval says of every task that more of it is better; a group need not say it."""
    metric = key.partition(",")[0]
    said = [higher.get(task, {}) if isinstance(higher, dict) else {} for task in tasks]
    return all(entry.get(metric, True) is True for entry in said if isinstance(entry, dict))


def _sizes(said: Any, tasks: Sequence[str]) -> tuple[int, ...]:
    counts = said.get("n-samples")
    found = [counts.get(task) if isinstance(counts, dict) else None for task in tasks]
    given = [entry.get("effective") if isinstance(entry, dict) else None for entry in found]
    sizes = tuple(size for size in given if type(size) is int and size > 0)
    return sizes if len(sizes) == len(tasks) else ()


def _notes(
    files: Sequence[tuple[Source, Any]], tasks: Sequence[str], left: list[str], named: bool
) -> tuple[str, ...]:
    notes = []
    if len(files) == 1:
        notes.append(
            "One file of lm-eval is one row, taken as the end of the stream; what needs an "
            "earlier stage is not computable."
        )
    elif not named:
        notes.append(
            f"The columns are in the order of the results ({', '.join(tasks)}), taken as the order "
            f"of training; --tasks says another."
        )
    if left:
        notes.append(f"Left out, as less is better: {', '.join(left)}.")
    return tuple(notes)
