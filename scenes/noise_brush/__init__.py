"""The noise brush: noise is painted onto a part of a picture, and that part is repainted."""
