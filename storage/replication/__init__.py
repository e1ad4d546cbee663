"""Replication: changes by other processes, and notifications of them."""
