"""Where bytes are stored: the Folder interface, files written atomically, hashes."""
