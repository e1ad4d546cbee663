"""Reports from the ledger: off-policy evaluation, explanation of a decision, export."""
