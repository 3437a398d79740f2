"""The whole HTTP surface of inference, in the order of its documents."""

from inference.api import inference, predict, recommend, recommendations, similar

ROUTERS = [
    predict.router,
    inference.router,
    recommend.router,
    similar.router,
    recommendations.router,
]
