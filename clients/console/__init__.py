"""The console: one page on the HTTP door, where a person gives a case and sees how it is answered."""
