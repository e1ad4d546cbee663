"""What the soak is made of: a misbehaving provider, a gateway, many kinds of clients, and those who watch and audit."""
