"""Rules and values of what tenants own: nothing here waits, reads or writes."""
