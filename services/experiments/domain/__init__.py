"""Rules and values of experiments: no await, no I/O, no clock of its own."""
