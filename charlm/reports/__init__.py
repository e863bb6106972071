"""Files to look at.

surprise_page   the most surprising lines of a text, as a web page
palette         the colours of surprise, on light and dark backgrounds

The picture of a training's losses is in ``training.loss_curve``.
"""
