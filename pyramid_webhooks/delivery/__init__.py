"""Outside any transaction: sends what is owed, and judges where it may go."""
