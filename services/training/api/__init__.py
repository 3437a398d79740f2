"""The whole HTTP surface of training, in the order in which routes are tried."""

from training.api import (
    algorithms,
    evaluation_config,
    jobs,
    model_configuration,
    parameter_tuning_job,
    retraining_run,
    retraining_schedule,
    split_config,
    task_log,
    trained_model,
    ws,
)

ROUTERS = [
    split_config.router,
    evaluation_config.router,
    model_configuration.router,
    trained_model.router,
    parameter_tuning_job.router,
    task_log.router,
    retraining_schedule.router,
    retraining_run.router,
    algorithms.router,
    jobs.router,
    ws.router,
]
