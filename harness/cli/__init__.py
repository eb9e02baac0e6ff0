"""Command line: one verb a function, no logic.

Exit codes: 0 fine, 1 a check or an acceptance criterion failed, 2 the input is wrong, 3 cells are
missing, 4 integrity is broken. Everything heavy is imported inside the verb that needs it.
"""

from __future__ import annotations

import errno
import sys

from classay.cli.application import app
from classay.errors import ClassayError

# in the order in which --help shall name the verbs
# isort: split
from classay.cli import before

# isort: split
from classay.cli import running

# isort: split
from classay.cli import judging, texts

__all__ = ["app", "before", "judging", "main", "running", "texts"]

# the disk or its owner said no: nothing that a traceback would explain
REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}
# what was named cannot be a file
MISNAMED = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG}
EXTRA = {"torch", "transformers", "peft", "tokenizers", "datasets", "huggingface_hub"}


def main() -> int:
    """Run the command line and return its exit code; user mistakes print no traceback."""
    try:
        app()
    except ClassayError as error:
        print(f"classay: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in REFUSED | MISNAMED:
            raise
        misnamed = error.errno in MISNAMED
        advice = (
            "Give the path of a file, in a folder, with a name of at most 240 bytes."
            if misnamed
            else "What was recorded before is whole. Make room there or mend its permissions; the "
            "same command goes on."
        )
        print(
            f"classay: {error.filename2 or error.filename or 'a file'} could not be opened or "
            f"written ({error.strerror}).\n  {advice}",
            file=sys.stderr,
        )
        return 2 if misnamed or error.errno == errno.EACCES else 3
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        print(
            f"classay: {error.name} is not installed, and running cells or reading hub data needs "
            f"it.\n  pip install 'classay[run]'",
            file=sys.stderr,
        )
        return 2
    return 0
