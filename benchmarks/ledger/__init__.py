"""What the durability benchmark is made of: gateways that can be killed, a client that remembers, and the auditor."""
