"""Many sessions or many variants: `signals`, `sweep`, and `lookahead`, which audits a condition."""
