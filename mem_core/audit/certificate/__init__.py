"""What is known about a protected corpus, on one page, and what is not."""
