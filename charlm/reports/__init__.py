"""Files and pictures to look at.

surprise_page  the most surprising lines of a text as a web page
loss_curve     the losses of a training, in characters and as SVG
palette        the colours of surprise
"""
