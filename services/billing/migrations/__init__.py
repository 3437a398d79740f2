"""How the tables of billing came to be."""
