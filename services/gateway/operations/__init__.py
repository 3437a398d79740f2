"""What the gateway can do with people, sessions, keys and tokens."""
