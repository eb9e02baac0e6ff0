"""Signs in somebody's text that are obeyed and not shown: no name or quote may hold one."""

from __future__ import annotations

import re

# what a terminal obeys, and what turns the order of signs around: "1\u202e23" is seen as 132
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
