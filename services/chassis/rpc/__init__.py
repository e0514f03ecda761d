"""What serves and frames every rpc."""
