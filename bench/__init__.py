"""What Millrace costs: one runnable benchmark per claim, beside the floor or a peer."""
