"""Pure rules and values of training: no await, no I/O, no framework, no clock of its own."""
