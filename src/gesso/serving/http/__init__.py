"""What every HTTP request passes: the guard, the routes and their policies, JSON parsing, metrics."""
