"""Symptoms, by where one looks.

A symptom is a plain callable: it returns what it saw, or raises AssertionError with what it saw
instead. It knows nothing of drills, and harms nothing.
"""
