"""The same laws on a GPU: equal facts from equal commands, in both number formats."""

from __future__ import annotations

import pytest
import yaml

torch = pytest.importorskip("torch")

from classay import runner, study
from classay.evidence.instrument import checks
from classay.prepare import Options, prepare
from classay.provenance.verify import same_facts
from classay.records import PhaseRow
from classay.suite_file import load

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_same_command_twice_on_a_gpu(suite_file, tiny_base, tmp_path, dtype):
    raw = yaml.safe_load(suite_file.read_text())
    raw["adapter"]["dropout"] = 0.1
    suite_file.write_text(yaml.safe_dump(raw))
    found = []
    for out, share in (("first", True), ("second", False)):
        suite = load(suite_file, {"base.path": str(tiny_base), "base.dtype": dtype})
        options = Options(suite_file.parent, tmp_path / out, "cuda", 1, 1, share)
        folder = prepare(suite, options)
        runner.execute(folder, options, lambda name, done: None, lambda name, said: None)
        found.append(study.load(folder.path))
    assert same_facts(found[0].folder, found[1].folder) == []
    assert all(check.passed for check in checks(found[0]))
    assert all(row.peak_bytes > 0 for record in found[0].cells for row in record.of(PhaseRow))
