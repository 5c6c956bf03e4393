"""The durable record of what is owed: intake, schedules, and who owns which part."""
