"""One user's ranking by one model: everything known folded in, nothing consumed, nothing inactive.

Models and their users are the tenant's own, whichever project they belong to, so what a user does
changes the answers of all of the tenant's models at once.
"""

import time
from dataclasses import dataclass, field

from inference.domain.explanations import NAMED, Why
from inference.operations.catalogue import Catalogue
from inference.operations.histories import Known
from inference.operations.serving import Serving
from inference.scorers import HISTORY_LIMIT, Past, Ranking, Scorer
from inference.scorers import Profile as Read
from inference.scorers.arrays import Mask

#: An unchanged user gets an unchanged answer, so this many of them are kept, up to this length.
_KEPT_ANSWERS = 2
_KEPT_LENGTH = 100
_KEPT_MASKS = 200

#: How many items were asked for, whether with reasons, and the edition of the catalogue.
_Question = tuple[int, bool, int]


@dataclass(frozen=True, slots=True)
class Profile:
    """What one model is asked with for one user."""

    #: Newest first: what happened lately, then what the model was trained on beside it.
    pasts: tuple[Past, ...]
    #: The same as the model reads it.
    read: Read
    #: Items not to recommend though they are too old to be scored.
    older: frozenset[str]
    #: Whether the model was trained on this user or knows an item of the user's.
    is_known: bool
    #: What the model answered to this very profile, by what was asked.
    answers: dict[_Question, "Answer"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A ranking, and why each item of it is there, where that was asked."""

    ranking: Ranking
    reasons: tuple[Why, ...]


class Scoring:
    """Asks models on behalf of users."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Leave out what the catalogue says is inactive."""
        self._catalogue = catalogue
        #: By model: the edition of the catalogue and its mask.
        self._allowed: dict[int, tuple[int, Mask]] = {}

    def profile(self, serving: Serving, user_id: str, known: Known) -> Profile:
        """Return what the model is asked with; made once per change of the user's history."""
        # A model never changes, so its id stands for it; its scorer must not be held on to.
        model_id = serving.model.model_id
        profile: Profile | None = known.merged.get(model_id)
        if profile is None:
            profile = known.merged[model_id] = _profile(serving.scorer, user_id, known)
        return profile

    def rank(self, serving: Serving, profile: Profile, *, k: int, reasons: bool = False) -> Answer:
        """Return the best items for a user, and why they are."""
        question = (k, reasons, self.edition(serving))
        answer = profile.answers.get(question)
        if answer is None:
            answer = self._ask(serving, profile, k, reasons)
            if k <= _KEPT_LENGTH:
                while len(profile.answers) >= _KEPT_ANSWERS:
                    del profile.answers[next(iter(profile.answers))]
                profile.answers[question] = answer
        return answer

    def edition(self, serving: Serving) -> int:
        """Return the edition of what must not be recommended."""
        edition, _blocked = self._catalogue.blocked(serving.model.tenant_id)
        return edition

    def _ask(self, serving: Serving, profile: Profile, k: int, reasons: bool) -> Answer:
        scorer = serving.scorer
        ranking = scorer.recommend(
            profile.read, k=k, exclude=profile.older, allowed=self.allowed(serving)
        )
        if not reasons:
            return Answer(ranking, ())
        found = scorer.contributions(profile.read, ranking, top=NAMED)
        traits = scorer.traits(profile.read, ranking)
        both = zip(found, traits, strict=True)
        return Answer(ranking, tuple(Why.of(dict(past), trait) for past, trait in both))

    def popular(self, serving: Serving, profile: Profile, *, k: int) -> Ranking:
        """Return what was popular when the model was trained and the user has not consumed."""
        consumed = {past.item for past in profile.pasts} | profile.older
        return serving.scorer.popular(k=k, exclude=consumed, allowed=self.allowed(serving))

    def similar(self, serving: Serving, item_id: str, *, k: int) -> Ranking:
        """Return the items nearest to one; KeyError where the model does not know it."""
        return serving.scorer.similar(item_id, k=k, allowed=self.allowed(serving))

    def allowed(self, serving: Serving) -> Mask | None:
        """Return the mask of active items, None where all are; made once per change of them."""
        edition, blocked = self._catalogue.blocked(serving.model.tenant_id)
        if not blocked:
            return None
        model_id = serving.model.model_id
        made = self._allowed.get(model_id)
        if made is None or made[0] != edition:
            self._allowed.pop(model_id, None)
            made = self._allowed[model_id] = (edition, ~serving.scorer.mask(blocked))
            while len(self._allowed) > _KEPT_MASKS:
                del self._allowed[next(iter(self._allowed))]
        return made[1]


def _profile(scorer: Scorer, user_id: str, known: Known) -> Profile:
    trained = _trained(scorer, user_id)
    if not trained:
        is_known = any(scorer.position(past.item) is not None for past in known.pasts)
        is_known = is_known or scorer.known_user(user_id)
        return Profile(known.pasts, scorer.read(known.pasts), known.older, is_known)
    lately = {entry.item for entry in known.history.entries}
    beside = [past for past in trained if past.item not in lately]
    pasts = (*known.pasts, *beside)
    kept, older = pasts[:HISTORY_LIMIT], pasts[HISTORY_LIMIT:]
    left_out = known.older | {past.item for past in older}
    return Profile(kept, scorer.read(kept), left_out, is_known=True)


def _trained(scorer: Scorer, user_id: str) -> list[Past]:
    return scorer.trained_history(user_id, now=time.time()) if scorer.known_user(user_id) else []
