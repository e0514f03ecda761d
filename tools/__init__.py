"""What is needed before anything is installed."""
