"""What webhooks cost, measured against yardsticks of the same run."""
