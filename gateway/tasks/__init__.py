"""Classifies a request's text into a task class."""
