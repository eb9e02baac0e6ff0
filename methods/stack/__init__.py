"""Stack: several methods at once on one shared adapter, their hooks chained in the order given.

::

    L(offered and replayed rows) + Σ_c terms_c        c: the components
    g ← edit_C(… edit_1(g)),   then one step,   then after_C(… after_1(θ))

With one component it is that method, byte for byte.

source      the stacks of methods that the CRMA posts compare with; EWC with replay and distillation
            in the appendix of arXiv:2606.00382v1
departures  none from its components, which see what they would see alone: the offered batches, and
            their own random streams under their own names
choices     a component that only adds rows adds them to the batch that all others of its kind see,
            whose language-model loss is the stack's; one that notes more beside its rows is given
            its own batch, and its own lm is dropped. A pass over the same rows is made once and not
            once a component. Costs and rows are added: a share is of the offered rows. Learning
            rates are multiplied. A term whose name is taken has its method's name put before it.
            A method with an adapter a domain, or that answers otherwise than with the shared one,
            cannot be a component: what it adds would not be what the others protect. Nor can one
            that replaces the offered rows. Of a component behind which another one edits gradients
            or weights nothing is promised: what it promises alone is measured on what is left.
"""

from __future__ import annotations

from classay.methods.stack.chain import Stack
from classay.methods.stack.settings import Config

METHOD = Stack
_EWC = {"method": "ewc", "strength": 100.0, "examples": 8, "normalisation": "max"}
_REPLAY = {"method": "replay", "capacity": 8, "share": 0.5}
EXAMPLE = Config(components=(_EWC, _REPLAY))  # runs in the conformance tests
VARIANTS = {"one": Config(components=(_EWC,))}  # so does this
OFF = Config(components=({**_EWC, "strength": 0.0}, {**_REPLAY, "share": 0.0}))
