"""Maintenance: folding the ledger, rebuilding the statistics, deleting old requests."""
