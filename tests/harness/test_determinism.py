"""What a process must have set before it computes anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch")

KERNELS = """
def get_kernel(*names, **more):
    print("asked the hub for", *names)
    raise OSError("no hub")

def __getattr__(name):
    return get_kernel
"""


def python(code: str, *path: object) -> str:
    command = f"import sys; sys.path[:0] = {list(map(str, path))!r}\n{code}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", command], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_no_kernel_is_fetched_when_a_cells_libraries_are_imported(tmp_path):
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").write_text(KERNELS)
    # bitsandbytes asks only on processors with bfloat16 instructions: ask in its place
    ask = "\nfrom kernels import get_kernel\nget_kernel('a')"
    said = python(f"try:{ask.replace(chr(10), chr(10) + '  ')}\nexcept OSError: pass", tmp_path)
    assert "asked the hub for a" in said  # the stand-in works
    said = python(
        "import classay.executors.warm, importlib.util\n"
        "print('visible', importlib.util.find_spec('kernels'))",
        tmp_path,
    )
    assert "asked the hub" not in said
    assert "Failed to load" not in said
    assert "visible None" in said


def test_the_environment_is_offline_unless_asked(monkeypatch):
    code = (
        "import os\nfrom classay.determinism import environment\nenvironment({online})\n"
        "from huggingface_hub import constants\nprint('offline', constants.HF_HUB_OFFLINE)\n"
        "from transformers.integrations import hub_kernels\n"
        "print('kernels', hub_kernels._kernels_enabled)"
    )
    said = python(code.format(online=False))
    assert "offline True" in said
    assert "kernels False" in said
    assert "offline False" in python(code.format(online=True))


def test_operations_without_a_repeatable_form_are_refused():
    code = (
        "from classay.determinism import settle\nsettle(1)\nimport torch\n"
        "print(torch.are_deterministic_algorithms_enabled(), torch.get_num_threads())"
    )
    assert "True 1" in python(code)
