"""Kept generators and the test runner; nothing here is part of the installed product."""
