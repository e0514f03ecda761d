"""Literature that a user loads: kept on disk, found by words and by meaning, ordered by what is asserted."""
