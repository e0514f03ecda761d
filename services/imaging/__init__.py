"""The imaging service: an image or a series in, what each model that reads it finds and why, out."""
