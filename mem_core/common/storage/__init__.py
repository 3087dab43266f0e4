"""Where bytes lie: the Folder interface, files that appear whole, hashes."""
