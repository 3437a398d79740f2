"""Which of two announcements of one thing is the newer one."""


def is_older(told: int, known: int) -> bool:
    """Tell whether what is told is older than what is known already.

    Revisions count from 1. A release that does not count says 0: its word is taken as it comes.
    """
    return 0 < told < known
