"""One walk through everything Millrace does, on a fresh stack, with the numbers it measured."""
