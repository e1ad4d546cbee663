"""Reports from the ledger: evaluation, explanation, export."""
