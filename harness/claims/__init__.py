"""What a claim can become."""
