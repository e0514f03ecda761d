"""The door for cases that wait: taken in, kept on disk, diagnosed when the mesh has room, and fetched."""
