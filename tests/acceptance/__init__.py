"""Every chore that a user of a cloud may do, tried on that cloud, with real guests."""
