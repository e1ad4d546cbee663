"""The writer thread: transactions, failover to the spool, and replay."""
