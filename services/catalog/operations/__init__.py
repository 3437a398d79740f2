"""What catalog can do."""
