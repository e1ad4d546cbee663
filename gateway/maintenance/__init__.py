"""Background maintenance: rebuilding statistics and retention."""
