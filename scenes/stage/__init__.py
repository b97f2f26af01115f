"""Stagecraft shared by all scenes: one vocabulary of things to show and places to put them."""
