"""From a corpus to a trained model.

session     a training run with its files: lock, resume, checkpoints, log, summary
autotune    chooses the settings that nobody gave
settings    the settings, checked
loop        the loop over updates and evaluations
state       where a training stands
control     what changes its course: rollback, dropout that follows the losses, early end
schedule    the learning rate over the training
clock       how many tokens there is time for
checkpoint  the state on disk
progress    steps of the loop, gathered into reports
"""
