"""Inside the transaction: from an event to what the outbox says is owed."""
