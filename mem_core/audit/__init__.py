"""Is a protected corpus right, and what is it worth: checks, attacks, evidence."""
