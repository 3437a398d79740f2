"""How catalog's tables came to be."""
