"""Pictures and pages, written to files to be looked at.

chart          lines over axes as SVG
loss_curve     the losses of a training, in characters and as SVG
figures        figures of models as cells of tables
passages       a text coloured by its surprise
surprise_page  the most surprising lines of a text as a web page
training_page  the page of a training
model_page     models side by side
machine        the machine that a training runs on
"""
