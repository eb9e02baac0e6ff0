"""One root seed to named, independent random streams.

Every draw of a cell comes from a stream named after what is drawn. No stream is consumed by two
things, so a method that draws more of one thing leaves every other draw as it was, and two methods
under one seed see the same initial weights and the same batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np


@dataclass(frozen=True, slots=True)
class Seeds:
    """The random streams of one root seed.

    root   the seed as the suite names it
    draw   0 is the seed itself; under any other number every name gives other bits, so that the
           same thing can be drawn once more
    """

    root: int
    draw: int = 0

    def sequence(self, *name: str | int) -> np.random.SeedSequence:
        """The seed sequence of the stream ``name``.

        ::

            entropy = root ‖ SHA-256(name)          draw > 0: SHA-256("draw" ‖ draw ‖ name)

        name     what is drawn, for instance ``("order", "medical", 0)``
        returns  a NumPy seed sequence; equal names give equal bits on every machine
        choices  the name is hashed rather than counted (``SeedSequence.spawn``), so that a stream
                 that is added later moves none of the others
        """
        again = ("draw", self.draw) if self.draw else ()
        words = sha256("\x1f".join(str(part) for part in (*again, *name)).encode()).digest()
        return np.random.SeedSequence([self.root, *np.frombuffer(words, dtype="<u4").tolist()])

    def generator(self, *name: str | int) -> np.random.Generator:
        """A NumPy generator on the stream ``name``; the same bits on CPU and GPU machines."""
        return np.random.Generator(np.random.PCG64(self.sequence(*name)))

    def integer(self, *name: str | int) -> int:
        """63 bits from the stream ``name``, to seed a library that has a generator of its own."""
        return int(self.sequence(*name).generate_state(1, np.uint64)[0] >> np.uint64(1))
