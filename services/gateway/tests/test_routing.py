"""From a path to its owner: the longest prefix of whole segments, and actions below any thing."""

import pytest

from gateway.domain.doors import MEMBER
from gateway.domain.routing import table
from gateway.routes import ROUTES

TABLE = table(
    ("/things", "keeper", MEMBER, "api"),
    ("/things/special", "other", MEMBER, "api"),
    ("/things/*/weigh", "scales", MEMBER, "api"),
)


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/things", "keeper"),
        ("/things/7", "keeper"),
        ("/things/7/paint", "keeper"),
        ("/things/7/weigh", "scales"),
        ("/things/7/weigh/again", "scales"),
        ("/things/7/weighty", "keeper"),
        ("/things/weigh", "keeper"),
        ("/things/7/paint/weigh", "keeper"),
        ("/things/special/weigh", "other"),
        ("/thingsome/7/weigh", None),
    ],
)
def test_an_action_belongs_to_whoever_the_table_says(path: str, owner: str | None) -> None:
    match = TABLE.find(path)
    assert (match.route.owner if match else None) == owner


def test_models_are_trainings_and_what_they_recommend_is_inferences() -> None:
    owners = {
        path: match.route.owner
        for path in ("7", "7/download_file", "7/recommendation")
        if (match := ROUTES.find(f"/api/v1/trained_model/{path}")) is not None
    }
    assert owners == {
        "7": "training",
        "7/download_file": "training",
        "7/recommendation": "inference",
    }
    alias = ROUTES.find("/api/trained_model/7/recommendation")
    assert alias is not None
    assert (alias.route.owner, alias.is_alias) == ("inference", True)
