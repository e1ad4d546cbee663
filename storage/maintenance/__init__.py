"""Maintenance of the ledger: fold, rebuild, retention."""
