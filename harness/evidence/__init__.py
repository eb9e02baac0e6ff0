"""The rungs of evidence: from facts to verdicts."""
