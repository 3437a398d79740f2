"""What experiments can do: check, change, announce; each in the caller's transaction."""
