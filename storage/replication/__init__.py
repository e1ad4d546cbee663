"""What other processes have committed, and notifications of it."""
