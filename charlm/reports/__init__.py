"""Pictures and pages, written to files to be looked at.

loss_curve     the losses of a training, in characters and as SVG
surprise_page  the most surprising lines of a text as a web page
"""
