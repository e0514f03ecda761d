"""Takes what identifies a person out of texts: finds it, decides what stands for what, replaces it. Pure."""
