"""The tables of the book, made from records."""
