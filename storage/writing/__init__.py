"""The writer thread: group commit, failover to the spool, and replay of the spool."""
