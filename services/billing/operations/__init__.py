"""What billing can do: count facts, state usage, keep subscriptions, announce allowances."""
