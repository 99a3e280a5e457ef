"""Study many sessions or variants: `signals`, `sweep`, and the audit in `lookahead`."""
