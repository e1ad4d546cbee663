"""Stores: each reads and writes one family of tables."""
