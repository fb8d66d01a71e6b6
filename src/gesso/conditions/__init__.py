"""What the user gives: one file a kind, each a value with encode, simulate, merge and a control."""
