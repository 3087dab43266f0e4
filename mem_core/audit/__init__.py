"""Whether a protected corpus is right and what its protection is worth: checks, attacks, evidence."""
