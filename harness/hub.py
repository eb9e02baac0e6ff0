"""Rows of a Hugging Face data set at one commit: a snapshot, loaded without running anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from classay.errors import StreamError
from classay.suite import Domain, HuggingFace


def rows(
    domain: Domain, source: HuggingFace, known: Set[str], folder: Path, online: bool
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of a data set, each with its place and the split that it stands in.

    known   the fields that a record has
    folder  what a snapshot's path is relative to
    online  whether the hub may be asked; offline, only what is already on this machine counts
    raises  StreamError   when the data set is absent, does not load, or names files elsewhere
    """
    import datasets
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    datasets.disable_progress_bars()
    if unknown := sorted(set(source.columns) - known):
        raise StreamError(
            f"domain {domain.name!r}: source.columns fills the fields {unknown}, and a record has "
            f"{sorted(known)}.\n  Mend their spelling."
        )
    place = folder / source.dataset
    if not place.is_dir():
        try:
            place = Path(
                snapshot_download(
                    source.dataset,
                    repo_type="dataset",
                    revision=source.revision,
                    local_files_only=not online,
                )
            )
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            todo = (
                "The hub was asked. Check source.dataset and source.revision"
                if online
                else "classay asks no hub unless told to. Give --online once"
            )
            raise StreamError(
                f"domain {domain.name!r}: the data set {source.dataset!r} at {source.revision} is "
                f"not here ({type(error).__name__}).\n  {todo}, or put a snapshot at {place}."
            ) from error
    _stays_here(domain, place)
    # a cache of its own: the shared one is keyed by times of change, and a restored file keeps its
    with TemporaryDirectory() as cache:
        try:
            parts = datasets.load_dataset(str(place), name=source.config, cache_dir=cache)
        except (ValueError, OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise StreamError(
                f"domain {domain.name!r}: {place} does not load as a data set ({error}).\n"
                f"  It must hold JSON Lines, CSV or Parquet files; scripts are never run."
            ) from error
        for split, part in parts.items():
            if missing := sorted(set(source.columns.values()) - set(part.column_names)):
                raise StreamError(
                    f"domain {domain.name!r}: {source.dataset}, {split} has no columns {missing}; "
                    f"it has {sorted(part.column_names)}.\n  Mend source.columns."
                )
            for number, row in enumerate(part):
                fields = {k: v for k, v in row.items() if v is not None}
                fields |= {field: row[column] for field, column in source.columns.items()}
                yield f"{source.dataset}, {split}[{number}]", {"split": str(split), **fields}


def _stays_here(domain: Domain, place: Path) -> None:
    """Refuse a data set whose card names files outside its folder: datasets would fetch them."""
    for name in ("README.md", ".huggingface.yaml"):
        card = place / name
        text = card.read_text("utf-8", errors="replace") if card.is_file() else ""
        front = text.split("\n---", 1)[0] if text.startswith("---") or name[0] == "." else ""
        try:
            configs = (yaml.safe_load(front) or {}).get("configs", [])
        except (yaml.YAMLError, AttributeError):
            continue  # datasets says what is wrong with it
        named = re.findall(r"""[^\s'",\[\]{}]*(?:://|\.\.)[^\s'",\[\]{}]*""", json.dumps(configs))
        if named:
            raise StreamError(
                f"domain {domain.name!r}: {place} does not load as a data set: its {name} names "
                f"files elsewhere ({', '.join(named[:3])}).\n"
                f"  A snapshot must hold its own files. Put them there, and mend {name}."
            )
