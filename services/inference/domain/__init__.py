"""Pure rules of serving: what a user has done, which slot answers, what may be said about why."""
