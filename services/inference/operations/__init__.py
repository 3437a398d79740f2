"""What inference can do."""
