"""What the benchmark with real models is made of: its questions, and its table."""
