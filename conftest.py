"""Say what is missing instead of fifty collection errors."""

from importlib.util import find_spec

if find_spec("classay") is None:
    raise SystemExit("classay is not installed: pip install -e '.[run]'")
