"""From a text to a trained model. The modules, from the outside to the inside:

session      a training run with its files: lock, checkpoints, log, picture, page
options      the options of a training by their names, with their types
autotune     chooses the options that nobody gave, and makes the trainer
base         the model that a training goes on with
level        chooses whether a token is a character or a subword
settings     the settings of the loop, checked
preparation  compiles the kernels, apart from the time of the training
run          a training run as those see it who show it or write about it
loop         the loop over updates and evaluations
strategy     how an update is made of the shards of a batch: in step, or by local updates
row_states   the hidden states of all rows, of which each rank has its own
state        where a training stands
control      what changes its course: rollback, dropout that follows the losses, early end, the clock
schedule     the learning rate over a training
clock        how many tokens there is time for
record       what a model file records of its training
progress     steps of the loop, gathered into reports
page         the page of a training, written while it goes on
description  a training in words: what it will do and why, and how it ended
before_and_after  what a training says that goes on with a model
preview      what a model writes while it learns
results      where the model, the previous one and the checkpoints are, and when each is written
checkpoint   exact resume: the state and the arrays, saved to a file and restored from it
"""
