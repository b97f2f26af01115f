"""Figures for slides and papers, drawn by matplotlib in the colours of the course."""
