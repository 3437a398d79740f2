"""The statistics of experiments: counts in, judgements out; no web, no SQL, no broker."""
