"""The whole HTTP surface of inference; what is asked most is looked for first."""

from inference.api import inference, predict, recommend, recommendations, similar, trained_model

ROUTERS = [
    recommend.router,
    similar.router,
    predict.router,
    inference.router,
    recommendations.router,
    trained_model.router,
]
