"""What lives in the resource tree: managers, subscriptions, their attempts, and messages."""
