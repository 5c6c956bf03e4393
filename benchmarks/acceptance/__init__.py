"""Every promise at its full size, checked; a module for each part, with its ``BARS`` by number."""
