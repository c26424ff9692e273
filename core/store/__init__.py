"""What a workspace keeps on disk: artifacts that are whole or absent, and the append-only decision log."""
