"""Rules and values of the gateway: no await, no clock of its own."""
