"""Maintenance of the ledger with the routers' settings: rebuilds of statistics, and retention."""
