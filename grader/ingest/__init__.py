"""Files to Submissions: names, duplicates, cells; and assignment packages to Assignments."""
