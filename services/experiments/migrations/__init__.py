"""How the tables of experiments came to be."""
