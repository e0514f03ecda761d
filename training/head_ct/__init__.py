"""Training of `head_ct`: intracranial haemorrhage on one slice of a head CT."""
