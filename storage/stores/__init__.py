"""Stores: one family of tables each."""
