"""What training can do: order of steps, transactions, events."""
