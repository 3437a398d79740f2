"""What stops the launcher with a sentence for its user instead of a traceback."""


class Failure(Exception):
    """The launcher cannot go on; the message says what to do about it."""
