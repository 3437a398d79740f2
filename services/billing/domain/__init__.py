"""Rules and values of billing: integers and decimals, no clock of its own."""
