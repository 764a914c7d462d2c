"""What the tests run against: real programs, private to one test process."""
