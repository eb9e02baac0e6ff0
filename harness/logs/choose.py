"""Which reader reads what: by content, and by name only where content cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from classay.claims.controls import CONTROL
from classay.errors import ConfigError
from classay.logs import (
    lm_eval,
    matrix_csv,
    matrix_json,
    matrix_npz,
    o_lora,
    peft_method_comparison,
    pycil,
)
from classay.logs.logged import Kind, Logged
from classay.logs.source import Source, document
from classay.logs.source import read as read_source

MOST = 200  # files, and matrices, of one call
SUFFIXES = (".csv", ".json", ".npz", ".log")
FORMATS = (
    "a matrix as CSV, JSON or npz, O-LoRA's folders of all_results.json, a log of PyCIL's family, "
    "a result of PEFT's method_comparison, or results of lm-eval"
)


def read(paths: Sequence[Path], kind: Kind, tasks: Sequence[str] = ()) -> list[Logged]:
    """Every matrix in these files and folders.

    paths    files, or folders; results of lm-eval among them, in this order, are stages of one
             stream
    kind     what the cells are where the format does not say it
    tasks    the columns of results of lm-eval, in the order of training; empty: as they stand
    returns  Logged, in the order of the paths; those of lm-eval last
    raises   ConfigError   what cannot be read, with what was found, what is needed and what to do
    """
    logged: list[Logged] = []
    stages: list[tuple[Source, Any]] = []
    files = [file for path in paths for file in _files(path)]
    if len(files) > MOST:
        raise ConfigError(
            f"{len(files)} files were given; at most {MOST} are read at once.\n  Give fewer."
        )
    for file in files:
        if file.is_dir():
            logged.append(o_lora.read_folder(file))
            continue
        source = read_source(file)
        if matrix_npz.sniff(source):
            logged += matrix_npz.read(source, kind)
        elif pycil.sniff(source):
            logged += pycil.read(source)
        elif source.path.suffix != ".csv" and matrix_json.sniff(source):
            said = document(source)
            if lm_eval.sniff(said):
                stages.append((source, said))
            elif peft_method_comparison.sniff(said):
                logged += peft_method_comparison.read(source, said)
            else:
                logged += matrix_json.read(source, said, kind)
        elif matrix_csv.sniff(source):
            logged += matrix_csv.read(source, kind)
        else:
            raise ConfigError(
                f"{file} is in no format that is known: it begins with "
                f"{source.data[:24].decode('ascii', 'backslashreplace')!r}.\n"
                f"  Needed is {FORMATS}. Give one of these."
            )
        if len(logged) > MOST:
            raise ConfigError(
                f"the files hold more than {MOST} matrices.\n  Give fewer of them at once."
            )
    if stages:
        logged += lm_eval.read(stages, tasks)
    elif tasks:
        raise ConfigError(
            "--tasks was given and no file is a result of lm-eval.\n"
            "  It names the columns of lm-eval's results only. Leave it out."
        )
    for matrix in logged:
        _shown(matrix)
    return logged


def _shown(matrix: Logged) -> None:
    """Refuse a name that a terminal or a browser would obey instead of showing it."""
    labels = (label for said in matrix.stated for label in (said.label, said.printed.text))
    for name in (matrix.name, *matrix.tasks, *labels):
        if found := CONTROL.search(name):
            raise ConfigError(
                f"{matrix.source} holds the name {name[:60]!r}, with the control character "
                f"{found[0]!r}, and needed is text.\n  Take it out of the log, and say so."
            )


def _files(path: Path) -> list[Path]:
    """The file, the folder if it is one of O-LoRA's, or what can be read in the folder."""
    if not path.is_dir() or o_lora.stages(path):
        return [path]
    found = sorted(p for p in path.iterdir() if p.is_file() and p.suffix in SUFFIXES)
    found += sorted(p for p in path.iterdir() if p.is_dir() and o_lora.stages(p))
    if not found:
        raise ConfigError(
            f"{path} is a folder in which nothing can be read.\n"
            f"  Needed is {FORMATS}. Give the folder or the file that holds it."
        )
    return found
