"""What people take with them and bring back: exports, made of a vault's rows, and read."""
