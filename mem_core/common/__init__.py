"""What every package may use: errors, seeds, progress, paths, formatting, bounded prefetch and storage."""
