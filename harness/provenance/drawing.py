"""What draws a report: two installations that agree in it draw the same bytes."""

from __future__ import annotations

import platform
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.resources import files
from pathlib import Path

from classay.registry import GROUPS

LIBRARIES = ("numpy", "scipy", "statsmodels", "matplotlib", "jinja2", "markupsafe")
# what judges asks the methods what they promise
PARTS = ("classay", "classay.methods", "classay.reports")
SUFFIXES = (".py", ".j2", ".yaml")


def drawing() -> dict[str, str]:
    """The versions of libraries and plug-ins, and SHA-256 over what judges and what draws."""
    total, found = sha256(), {"python": platform.python_version()}
    for part in PARTS:
        root = Path(str(files(part)))
        for path in sorted(p for p in root.rglob("*") if p.suffix in SUFFIXES):
            total.update(f"{part}/{path.relative_to(root).as_posix()}\n".encode())
            total.update(path.read_bytes())
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    plugged = [point.dist for group in GROUPS.values() for point in entry_points(group=group)]
    found |= {dist.name: dist.version for dist in plugged if dist}
    return found | {"code": total.hexdigest()}
